/** Disk usage, and Gantry's own: check, image collection, pins, dry runs. */
import type { Finding } from "#core/check/check.ts";
import { kindOf, messageOf } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts, RemovedImage } from "../api.ts";
import type { Collected } from "../../disk/disk.ts";
import { type GcSettings, parseGcSettings } from "../../disk/settings.ts";
import { filters, flag, text } from "../query.ts";
import { begin, writeChunk } from "../streaming.ts";
import { usageJson } from "./usage.ts";

const LABELS = ["label", "label!"];

export function diskRoutes(parts: ApiParts): ApiRoute[] {
  const { disk, images, containers, volumes, builds } = parts;
  return [
    {
      method: "GET",
      path: "/system/df",
      since: 25,
      run: async ({ query, version }) => ok(await usageJson({ disk, buildCache: async () => (await builds()).cache.usage() }, version >= 42 ? query.getAll("type") : [], { version, verbose: version >= 52 && flag(query, "verbose") })),
    },

    { method: "POST", path: "/gantry/check", run: (call) => sendFindings(call, disk.check({ repair: flag(call.query, "repair"), signal: call.signal })) },
    { method: "POST", path: "/gantry/images/gc", run: async ({ query }) => ok(collectedJson(await disk.collect({ dryRun: flag(query, "dry-run"), settings: givenSettings(query) }))) },
    { method: "POST", path: "/gantry/images/{name...}/pin", run: async ({ params }) => ok({ Names: await images.pin(params["name"]!, true) }) },
    { method: "POST", path: "/gantry/images/{name...}/unpin", run: async ({ params }) => ok({ Names: await images.pin(params["name"]!, false) }) },
    { method: "GET", path: "/gantry/prune/images", run: async ({ query }) => ok(prunedImages(await images.prune(filters(query, ["dangling", "until", ...LABELS]), DRY))) },
    { method: "GET", path: "/gantry/prune/containers", run: async ({ query }) => ok(pruned("ContainersDeleted", await containers.prune(filters(query, ["until", ...LABELS]), DRY))) },
    { method: "GET", path: "/gantry/prune/system", run: async (call) => (await import("./system-prune.ts")).foretellSystemPrune(parts, call) },
    { method: "GET", path: "/gantry/prune/volumes", run: async ({ query }) => ok(pruned("VolumesDeleted", await volumes.prune(filters(query, ["all", ...LABELS]), DRY))) },
  ];
}

const DRY = { dryRun: true };

const pruned = (key: string, { deleted, reclaimed }: { deleted: readonly string[]; reclaimed: number }) => ({ [key]: deleted, SpaceReclaimed: reclaimed });

const prunedImages = ({ deleted, reclaimed }: { deleted: readonly RemovedImage[]; reclaimed: number }) => ({ ImagesDeleted: deleted, SpaceReclaimed: reclaimed });

/** Only what is given: the rest is the engine's. */
function givenSettings(query: URLSearchParams): Partial<GcSettings> {
  const given = Object.fromEntries(["high", "low", "age", "grace"].flatMap((key) => (text(query, key) === "" ? [] : [[key, text(query, key)]])));
  const parsed: Record<string, unknown> = parseGcSettings(given);
  const marks = "high" in given ? ["low"] : [];
  return Object.fromEntries([...Object.keys(given), ...marks].map((key) => [key, parsed[key]]));
}

function collectedJson({ removed, reclaimed, disk }: Collected): object {
  return {
    Images: removed.map(({ id, names, bytes, reason, told }) => ({ Id: id, Names: names, Size: bytes, Reason: reason, Deleted: told })),
    SpaceReclaimed: reclaimed,
    Disk: { Total: disk.total, Used: disk.used },
  };
}

/** A JSON object a line, the last with the counts; a failure is a line too, since the head went long before. */
async function sendFindings(call: ApiCall, findings: AsyncIterable<Finding>): Promise<Answer> {
  begin(call, "application/x-ndjson");
  const write = (line: object) => writeChunk(call, `${JSON.stringify(line)}\n`);
  try {
    for await (const finding of findings) if (!(await write(findingJson(finding)))) return;
  } catch (error) {
    if (call.signal.aborted) return;
    await write({ errorDetail: { message: messageOf(error), kind: kindOf(error) } });
  }
  call.response.end();
  return undefined;
}

function findingJson(finding: Finding): object {
  if (finding.kind === "step") return { step: finding.step, current: finding.current, total: finding.total };
  return finding.kind === "problem" ? { problem: finding.problem } : { counts: finding.counts };
}
