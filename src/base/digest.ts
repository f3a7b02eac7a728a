/** SHA-256, as "sha256:" and hexadecimal digits. */
import { createHash, hash } from "node:crypto";

export type Sha256 = `sha256:${string}`;

export function sha256(bytes: Uint8Array | string): Sha256 {
  return `sha256:${hash("sha256", bytes)}`;
}

export type Hasher = { update(bytes: Uint8Array): void; digest(): Sha256 };

/** For bytes that come in pieces. About 1 ms a MiB on the thread that calls it: hand it chunks of at most that. */
export function hasher(): Hasher {
  const state = createHash("sha256");
  return {
    update: (bytes) => void state.update(bytes),
    digest: () => `sha256:${state.digest("hex")}`,
  };
}
