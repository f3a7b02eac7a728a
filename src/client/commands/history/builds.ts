/** Builds that were and that are, asked of the engine's history. */
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { Of } from "#base/protobuf.ts";
import { CONTROL } from "#spec/buildkit/control.ts";
import { HISTORY, historyEvent, historyRequest, type historyRecord } from "#spec/buildkit/workers.ts";
import { millis } from "../../build/progress/trace.ts";
import { openCall } from "../../build/rpc/call.ts";
import { openControl } from "../../build/solve.ts";
import type { Connection } from "../../build/h2/connection.ts";
import type { Cli } from "../../client.ts";

export type Build = Of<typeof historyRecord> & { readonly isRunning: boolean };

/** A connection to ask on, closed afterwards. */
export async function withControl<T>(cli: Cli, act: (control: Connection) => Promise<T>): Promise<T> {
  const control = await openControl(await cli.line(), new AbortController().signal);
  try {
    return await act(control);
  } finally {
    control.close();
  }
}

/** Newest first; with `only` that one, if it is known. */
export async function listBuilds(control: Connection, only = ""): Promise<Build[]> {
  const builds = new Map<string, Build>();
  const call = openCall(control, `${CONTROL}/ListenBuildHistory`, {
    onMessage(message) {
      const { type, record } = historyEvent.decode(Buffer.from(message));
      if (record !== undefined) builds.set(record.ref, { ...record, isRunning: type === HISTORY.started });
    },
  });
  call.send(frame(historyRequest.encode({ earlyExit: true, ref: only }, HEADROOM)));
  call.end();
  await call.done;
  return [...builds.values()].sort((a, b) => (millis(b.createdAt) ?? 0) - (millis(a.createdAt) ?? 0));
}

/** By its name or the beginning of it; "" is the newest, "^1" the one before it. @throws not-found, conflict */
export async function findBuild(control: Connection, name: string): Promise<Build> {
  const builds = await listBuilds(control);
  const back = name === "" ? 0 : /^\^(\d*)$/.exec(name)?.[1];
  if (back !== undefined) {
    const found = builds[back === "" ? 1 : Number(back)];
    if (found === undefined) throw fail("not-found", builds.length === 0 ? "no builds are known" : `there are ${builds.length} builds: no ${name}`);
    return found;
  }
  const ref = name.split("/").at(-1)!;
  const found = builds.filter((build) => build.ref.startsWith(ref));
  const exact = found.find((build) => build.ref === ref);
  if (exact !== undefined) return exact;
  if (found.length > 1) throw fail("conflict", `${name} is the beginning of ${found.length} builds' names`);
  if (found.length === 0) throw fail("not-found", `no such build: ${name}`);
  return found[0]!;
}

export function statusOf(build: Build): "Running" | "Completed" | "Error" | "Canceled" {
  if (build.isRunning) return "Running";
  if (build.error === undefined) return "Completed";
  return build.error.code === 1 || /cancell?ed/i.test(build.error.message) ? "Canceled" : "Error";
}

/** What it is called by: the names it gave, else the folder or repository it was made of, and the stage; as buildx has it. */
export function nameOf({ ref, frontendAttrs: said, exporterResponse, exporters }: Build, folderOf: (ref: string) => string | undefined = () => undefined): string {
  const given = said["build-arg:BUILDKIT_BUILD_NAME"] || exporterResponse["image.name"] || exporters.find(({ attrs }) => attrs["name"] !== undefined)?.attrs["name"];
  if (given !== undefined && given !== "") return given;
  const local = said["vcs:localdir:context"];
  const where = said["context"] ?? (local === "." ? undefined : local) ?? folderOf(ref);
  const target = said["target"] ?? "";
  if (where !== undefined) return target === "" ? where : `${where} (${target})`;
  return target || said["vcs:source"] || (said["filename"] ?? "");
}
