/** What Docker has not: volumes renamed, cloned, taken snapshots of, as archives, and counted. */
import { fail } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, created, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { bytesOf, jsonBody } from "../body.ts";
import { record, string, struct } from "../decode.ts";
import { sendOwnBytes } from "../streaming.ts";
import { inspectVolume } from "./routes.ts";

const decodeCopy = struct({ Name: string, Labels: record(string) });

type Wish = { name?: string; labels?: Record<string, string>; signal: AbortSignal };

export function ownVolumeRoutes({ volumes }: ApiParts): ApiRoute[] {
  async function rename({ params, query }: ApiCall): Promise<Answer> {
    const to = query.get("name") ?? "";
    if (to === "") throw fail("invalid", "the new name of the volume is missing");
    return ok(inspectVolume(await volumes.rename(params["name"]!, to)));
  }

  async function exportArchive(call: ApiCall): Promise<Answer> {
    return await sendOwnBytes(call, "application/x-tar", await volumes.export(call.params["name"]!, { signal: call.signal }));
  }

  async function importArchive({ params, request, signal }: ApiCall): Promise<Answer> {
    return created(inspectVolume(await volumes.import(bytesOf(request), { name: params["name"]!, signal })));
  }

  async function usage({ query }: ApiCall): Promise<Answer> {
    const names = query.getAll("name");
    const records = names.length === 0 ? volumes.list(new Map()) : names.map(volumes.get);
    const rows = await Promise.all(records.map(async ({ name, driver }) => ({ name, driver, ...(await volumes.usage(name)) })));
    return ok(rows.map(({ name, driver, bytes, inodes, users }) => ({ Name: name, Driver: driver, Size: bytes, Inodes: inodes, RefCount: users })));
  }

  return [
    { method: "GET", path: "/gantry/volumes/usage", run: usage },
    { method: "POST", path: "/gantry/volumes/{name}/rename", run: rename },
    { method: "POST", path: "/gantry/volumes/{name}/clone", run: async (call) => created(inspectVolume(await volumes.clone(call.params["name"]!, await wishOf(call)))) },
    { method: "POST", path: "/gantry/volumes/{name}/snapshot", run: async (call) => created(inspectVolume(await volumes.snapshot(call.params["name"]!, await wishOf(call)))) },
    { method: "GET", path: "/gantry/volumes/{name}/export", run: exportArchive },
    { method: "POST", path: "/gantry/volumes/{name}/import", run: importArchive },
  ];
}

async function wishOf(call: ApiCall): Promise<Wish> {
  const { Name, Labels } = decodeCopy((await jsonBody(call)) ?? null, "VolumeCopyRequest");
  return { ...(Name === "" ? {} : { name: Name }), ...(Labels === null ? {} : { labels: { ...Labels } }), signal: call.signal };
}
