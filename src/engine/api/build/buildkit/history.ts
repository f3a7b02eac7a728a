/** Builds that were and that are, as a stream of events. */
import { CODES, type ServerCall } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import type { BuildRecord, History } from "#builder/history/history.ts";
import { HISTORY, type historyEvent, type historyRequest, type historyRecord, type updateHistoryRequest } from "#spec/buildkit/workers.ts";
import { attachments, failureOf, imageOf } from "./attachments.ts";
import { timeOf } from "./status-feed.ts";

const { CANCELLED: CANCELED, UNKNOWN } = CODES;

/** What there is; then, unless the client wants no more, what changes. */
export async function* historyEvents(history: History, { activeOnly, ref, earlyExit }: Of<typeof historyRequest>, call: ServerCall): AsyncGenerator<In<typeof historyEvent>> {
  call.head({ "buildkit-current-timestamp": [new Date().toISOString()] });
  // Listened to from before the list: what changes while that is sent is told, too.
  const changes = history.watch(call.signal)[Symbol.asyncIterator]();
  let next = earlyExit ? undefined : changes.next();
  const isWanted = (build: BuildRecord) => (ref === "" || ref === build.ref) && (!activeOnly || build.status === "running");
  for (const build of history.list()) if (isWanted(build)) yield { type: build.status === "running" ? HISTORY.started : HISTORY.complete, record: recordOf(build) };
  for (let change; next !== undefined && (change = await next).done !== true; next = changes.next()) {
    const { kind, build } = change.value;
    if (isWanted(build)) yield { type: kind === "started" ? HISTORY.started : kind === "completed" ? HISTORY.complete : HISTORY.deleted, record: recordOf(build) };
  }
}

type RecordIn = In<typeof historyRecord>;

function recordOf(build: BuildRecord): RecordIn {
  const { ref, dockerfile, context, target, names, platforms, metadata, created, completed, error, steps, warnings, said = {} } = build;
  const frontendAttrs = Object.entries({ filename: dockerfile, context, target, platform: platforms.join(",") }).filter(([, value]) => value !== "");
  return {
    ref,
    frontend: "dockerfile.v0",
    frontendAttrs: { ...namedBy(said), ...Object.fromEntries(frontendAttrs) },
    exporters: names.length === 0 ? [] : [{ type: "image", attrs: { name: names.join(",") } }],
    exporterResponse: metadata,
    createdAt: timeOf(created),
    completedAt: completed === undefined ? undefined : timeOf(completed),
    error: error === undefined ? undefined : { code: build.status === "canceled" ? CANCELED : UNKNOWN, message: error },
    externalError: failureOf(build)?.descriptor,
    totalSteps: steps.total,
    completedSteps: steps.completed,
    cachedSteps: steps.cached,
    warnings,
    generation: 1,
    ...resultsOf(build),
  };
}

/** What our own client calls its folder stands where other clients look for a name. */
function namedBy({ "context-name": name, ...said }: Readonly<Record<string, string>>): Record<string, string> {
  return name === undefined ? said : { "vcs:localdir:context": name, ...said };
}

/** What the build left, to be read from the content service by its digest. */
function resultsOf(build: BuildRecord): Pick<RecordIn, "result" | "results"> {
  const image = imageOf(build);
  const attached = attachments(build);
  const own = attached.filter(({ platform }) => platform === undefined).map(({ descriptor }) => descriptor);
  const platforms = [...new Set(attached.flatMap(({ platform = "" }) => (platform === "" ? [] : [platform])))];
  const results = platforms.map((name) => [name, { attestations: attached.filter(({ platform }) => platform === name).map(({ descriptor }) => descriptor) }] as const);
  const result = image === undefined && own.length === 0 ? undefined : { attestations: own, results: image === undefined ? {} : { 0: image } };
  return { ...(result && { result }), results: Object.fromEntries(results) };
}

export async function updateHistory(history: History, request: Of<typeof updateHistoryRequest>): Promise<object> {
  // What is not known is forgotten already.
  if (request.delete && history.list().some(({ ref }) => ref === request.ref)) await history.remove([request.ref]);
  return {};
}
