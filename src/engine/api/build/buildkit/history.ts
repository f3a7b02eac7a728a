/** Builds that were and that are, as a stream of events. */
import type { ServerCall } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import { HISTORY, type historyEvent, type historyRequest, type updateHistoryRequest } from "#spec/buildkit/workers.ts";
import type { HistoryDoor, PastBuild } from "./buildkit.ts";
import { timeOfDate } from "./status-feed.ts";

const UNKNOWN = 2;

/** What is now; without `earlyExit` the stream stays open until the client closes it, though nothing more is told. */
export async function* historyEvents(history: HistoryDoor, { activeOnly, ref, earlyExit }: Of<typeof historyRequest>, call: ServerCall): AsyncGenerator<In<typeof historyEvent>> {
  call.head({ "buildkit-current-timestamp": [new Date().toISOString()] });
  for (const build of await history.list()) {
    if (ref !== "" && ref !== build.ref) continue;
    if (activeOnly && build.completedAt !== undefined) continue;
    yield { type: build.completedAt === undefined ? HISTORY.started : HISTORY.complete, record: recordOf(build) };
  }
  if (earlyExit || call.signal.aborted) return;
  await new Promise<void>((resolve) => call.signal.addEventListener("abort", () => resolve(), { once: true }));
}

function recordOf(build: PastBuild): In<typeof historyEvent>["record"] {
  const { ref, attributes, metadata, createdAt, completedAt, error, steps, warnings } = build;
  return {
    ref,
    frontend: "dockerfile.v0",
    frontendAttrs: attributes,
    exporterResponse: metadata,
    createdAt: timeOfDate(createdAt),
    completedAt: completedAt === undefined ? undefined : timeOfDate(completedAt),
    error: error === undefined ? undefined : { code: UNKNOWN, message: error },
    totalSteps: steps.total,
    completedSteps: steps.completed,
    cachedSteps: steps.cached,
    warnings,
    generation: 1,
  };
}

export async function updateHistory(history: HistoryDoor, request: Of<typeof updateHistoryRequest>): Promise<object> {
  if (request.delete) await history.remove(request.ref);
  return {};
}
