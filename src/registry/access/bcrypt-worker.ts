import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";

export type Question = { readonly id: number; readonly password: string; readonly hash: string };
export type Answer = { readonly id: number; readonly equal: boolean };

parentPort?.on("message", ({ id, password, hash }: Question) => {
  parentPort?.postMessage({ id, equal: compareSync(password, hash) } satisfies Answer);
});
