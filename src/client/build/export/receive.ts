/** FileSend: what exporters send us, by the place of the exporter among those that were asked for. */
import { fail } from "#base/errors.ts";
import { bytesMessage, SYNC } from "#spec/buildkit/session.ts";
import type { ExportTarget } from "../build.ts";
import type { Incoming, Method } from "../rpc/serve.ts";
import { openFile } from "./file.ts";
import { receiveFolder } from "./folder.ts";

export function fileSend(targets: readonly (ExportTarget | undefined)[]): Method {
  return async (call) => {
    const place = Number.parseInt(call.values(SYNC.exporter)[0] ?? "0", 10);
    const target = targets[place];
    if (target === undefined) throw fail("not-found", `exporter ${place} not found`);
    if (target.kind === "folder") await receiveFolder(call, target.path);
    else await receiveFile(call, target);
  };
}

async function receiveFile(call: Incoming, target: ExportTarget & { kind: "file" | "stdout" }): Promise<void> {
  const file = openFile(target);
  try {
    call.head();
    await call.receive((message) => file.write(bytesMessage.decode(message).data));
    file.commit();
  } finally {
    file.close();
  }
}
