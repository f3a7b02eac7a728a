/** Who may have signed: keys read once, roots pinned. The library for bundles is loaded when there is one to verify. */
import { createHash, createPublicKey, type KeyObject, verify as verifyBytes } from "node:crypto";
import { fail, messageOf } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { Signer } from "./policy.ts";
import { readOwn } from "./read-own.ts";

export type OpenSigner = {
  /** Names the signer and nothing else: what is remembered beside an image. */
  readonly id: string;
  /** Whether these bytes carry that signature. Always false for an identity: its certificate is in bundles. */
  signed(payload: Uint8Array, signature: Uint8Array): boolean;
  /** @throws what the library found wrong with the bundle, for this signer */
  verifyBundle(bundle: unknown): Promise<void>;
};

/** @throws invalid */
export async function openSigner(signer: Signer, pathOf: (file: string) => string): Promise<OpenSigner> {
  return signer.kind === "key" ? openKey(pathOf(signer.path)) : await openKeyless(pathOf(signer.root), signer);
}

async function openKey(path: string): Promise<OpenSigner> {
  const key = await readKey(path);
  const print = createHash("sha256").update(key.export({ type: "spki", format: "der" })).digest("hex");
  return {
    id: `key sha256:${print}`,
    signed: (payload, signature) => verifyBytes(algorithmOf(key), payload, key, signature),
    async verifyBundle(bundle) {
      const { verifyWithKey } = await import("./bundle.ts");
      verifyWithKey(bundle, key);
    },
  };
}

async function readKey(path: string): Promise<KeyObject> {
  try {
    const pem = (await readOwn(path)).toString();
    if (/PRIVATE KEY/.test(pem)) throw new Error("it holds a private key, and the policy needs the public one");
    const key = createPublicKey(pem);
    if (algorithmOf(key) === undefined) throw new Error(`keys of the type ${key.asymmetricKeyType} are not supported`);
    return key;
  } catch (error) {
    throw fail("invalid", `read the key ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** As cosign signs: SHA-256 of the payload, except for Ed25519, which hashes by itself. */
function algorithmOf(key: KeyObject): string | null | undefined {
  if (key.asymmetricKeyType === "ed25519") return null;
  return key.asymmetricKeyType === "ec" || key.asymmetricKeyType === "rsa" ? "sha256" : undefined;
}

async function openKeyless(path: string, { issuer, identity }: Signer & { kind: "keyless" }): Promise<OpenSigner> {
  const root = await readRoot(path);
  return {
    id: `identity ${identity} of ${issuer}`,
    signed: () => false,
    async verifyBundle(bundle) {
      const { verifyWithRoot } = await import("./bundle.ts");
      verifyWithRoot(bundle, root, { issuer, identity });
    },
  };
}

async function readRoot(path: string): Promise<unknown> {
  try {
    const root = parseJson((await readOwn(path)).toString());
    const { parseRoot } = await import("./bundle.ts");
    return parseRoot(root);
  } catch (error) {
    throw fail("invalid", `read the trusted root ${path}: ${messageOf(error)}`, { cause: error });
  }
}
