/** Secrets and scripts: bytes that the step sees as files, and that are on no disk: only in the memory of its mounts. */
import { fail } from "#base/errors.ts";
import type { ExecMount } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import { type Mounted, point } from "./mounts.ts";

type Secret = Extract<ExecMount, { type: "secret" }>;

/** @throws not-found when it is required and the client has none */
export async function secretMount({ client, signal }: StepContext, { id, required, target, env, mode, uid, gid }: Secret): Promise<Mounted> {
  const data = await client.secret(id, signal);
  if (data === undefined) {
    if (required) throw fail("not-found", `secret ${id}: not found`);
    return {};
  }
  return {
    ...(target === "" ? {} : file(target, { data, mode, uid, gid })),
    ...(env === undefined ? {} : { env: `${env}=${data.toString("utf8")}` }),
  };
}

/** The file of a heredoc: it may be what is run. */
export const scriptMount = (target: string, text: string): Mounted => file(target, { data: Buffer.from(text), mode: 0o755, uid: 0, gid: 0 });

function file(target: string, content: { readonly data: Uint8Array; readonly mode: number; readonly uid: number; readonly gid: number }): Mounted {
  return {
    point: point(target, { Type: "bind", RW: false }),
    place: { path: target, type: "file" },
    tree: { from: { kind: "data", ...content }, subpath: "", type: "file" },
  };
}
