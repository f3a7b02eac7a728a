/** A local volume that is a mount: the program, and whether it stands. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { getSystemErrorMessage } from "node:util";
import { fail, messageOf } from "#base/errors.ts";
import { MS } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { type LocalMount, serverOf, withServer } from "./local-options.ts";

const DETACH = 2;
const NOFOLLOW = 8;
const EINVAL = 22;

/** As mount(8) does it: a bind becomes read-only, and shared with others, by calls of their own. */
export function mountProgram({ type, device, flags, propagation, data }: LocalMount, path: string): Program {
  const bind = (flags & MS.BIND) !== 0;
  const undo: Op[] = [{ op: "umount", path, flags: DETACH | NOFOLLOW }];
  return [
    { op: "mount", source: device, path, type, flags, data, undo, note: describeMount({ device, flags, data }, path) },
    ...(bind && (flags & ~(MS.BIND | MS.REC)) !== 0 ? [{ op: "mount", source: device, path, type: "", flags: flags | MS.REMOUNT, data: "" } as const] : []),
    ...(propagation === 0 ? [] : [{ op: "mount", source: "", path, type: "", flags: propagation, data: "" } as const]),
  ];
}

/** Nothing is mounted there: fine. */
export function unmountProgram(path: string): Program {
  return [{ op: "umount", path, flags: DETACH | NOFOLLOW, tolerate: EINVAL }];
}

/** In the words of Docker's errors. */
function describeMount({ device, flags, data }: Pick<LocalMount, "device" | "flags" | "data">, path: string): string {
  return [`mount ${device}:${path}`, ...(flags === 0 ? [] : [`flags: 0x${flags.toString(16)}`]), ...(data === "" ? [] : [`data: ${data}`])].join(", ");
}

/** The kernel does not look names up. @throws unavailable */
export async function resolveServer(mount: LocalMount): Promise<LocalMount> {
  const server = serverOf(mount);
  if (server === undefined || server === "" || isIP(server) !== 0) return mount;
  try {
    return withServer(mount, (await lookup(server)).address);
  } catch (error) {
    throw fail("unavailable", `error resolving passed in network volume address: ${messageOf(error)}`, { cause: error });
  }
}

/** Docker's sentence for a mount that failed; of another error itself. */
export function mountFailure(error: unknown): unknown {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number" || !("op" in error)) return error;
  const note = (error.op as Op | undefined)?.note ?? "mount";
  return fail("invalid", `failed to mount local volume: ${note}: ${getSystemErrorMessage(-error.errno)}`, { cause: error, facts: { errno: error.errno } });
}

/** Mount points at or below `folder`, of /proc/self/mountinfo. */
export function mountsBelow(mountinfo: string, folder: string): string[] {
  const points = mountinfo.split("\n").flatMap((line) => line.split(" ", 5)[4] ?? []);
  return points.map((point) => point.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))).filter((point) => point === folder || point.startsWith(`${folder}/`));
}
