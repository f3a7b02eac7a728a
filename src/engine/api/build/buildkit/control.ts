/** BuildKit's control service, as far as clients of a docker engine use it. */
import { fail } from "#base/errors.ts";
import { bidirectional, type Metadata, method, type Served, type ServerCall, serverStream, unary } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import { internalStep } from "#builder/internal-step.ts";
import { redacted } from "#builder/plan/scene.ts";
import { parseFilters } from "#builder/cache/filters.ts";
import type { History } from "#builder/history/history.ts";
import {
  CONTROL, diskUsageRequest, diskUsageResponse, infoResponse, pruneRequest, solveRequest, solveResponse, statusRequest, statusResponse, usageRecord,
} from "#spec/buildkit/control.ts";
import { bytesMessage, healthResponse, METHODS, SERVING, SYNC } from "#spec/buildkit/session.ts";
import { empty, historyEvent, historyRequest, listWorkersRequest, listWorkersResponse, updateHistoryRequest } from "#spec/buildkit/workers.ts";
import { contentMethods } from "./attachments.ts";
import { answerOf, perform } from "./perform.ts";
import { type Bridge, bridgeMethods, noGraphs, type Noted } from "./bridge.ts";
import type { BuildKitParts } from "./buildkit.ts";
import { openBuildClient } from "./client.ts";
import { asBuildKit } from "./failure.ts";
import { prune, recordOf } from "./disk-usage.ts";
import { historyEvents, updateHistory } from "./history.ts";
import type { Job, Jobs } from "./jobs.ts";
import { sessionTunnel } from "./session-tunnel.ts";
import type { Sessions } from "./sessions.ts";
import { reporter } from "./report.ts";
import { readFiles } from "./read-remote.ts";
import { type Solve, translate } from "./solve-request.ts";
import { passingImages } from "./passing-images.ts";
import { openStatusFeed } from "./status-feed.ts";
import { versionOf, workerOf } from "./worker.ts";

const methods = {
  solve: method(`${CONTROL}/Solve`, solveRequest, solveResponse),
  status: method(`${CONTROL}/Status`, statusRequest, statusResponse),
  session: method(`${CONTROL}/Session`, bytesMessage, bytesMessage),
  diskUsage: method(`${CONTROL}/DiskUsage`, diskUsageRequest, diskUsageResponse),
  prune: method(`${CONTROL}/Prune`, pruneRequest, usageRecord),
  listWorkers: method(`${CONTROL}/ListWorkers`, listWorkersRequest, listWorkersResponse),
  info: method(`${CONTROL}/Info`, empty, infoResponse),
  history: method(`${CONTROL}/ListenBuildHistory`, historyRequest, historyEvent),
  updateHistory: method(`${CONTROL}/UpdateBuildHistory`, updateHistoryRequest, empty),
  health: method(METHODS.health, empty, healthResponse),
};

export function controlMethods(parts: BuildKitParts, sessions: Sessions, jobs: Jobs): Served[] {
  const { cache, history } = parts.builds;
  return [
    unary(methods.solve, (request, call) => solve(parts, sessions, jobs, request, call)),
    serverStream(methods.status, (request, call) => status(jobs, history, request, call)),
    bidirectional(methods.session, (call) => sessionTunnel(sessions, call)),
    unary(methods.diskUsage, async ({ filter }) => ({ record: (await cache.usage(parseFilters(filter))).map(recordOf) })),
    serverStream(methods.prune, (request) => prune(cache, request)),
    unary(methods.listWorkers, async () => ({ record: [workerOf(parts.worker(), await parts.builds.rounds())] })),
    unary(methods.info, () => ({ buildkitVersion: versionOf(parts.worker()) })),
    serverStream(methods.history, (request, call) => historyEvents(history, request, call)),
    unary(methods.updateHistory, (request) => updateHistory(history, request)),
    unary(methods.health, () => ({ status: SERVING })),
    ...contentMethods(parts.builds),
    ...bridgeMethods(jobs),
  ];
}

async function solve(parts: BuildKitParts, sessions: Sessions, jobs: Jobs, request: Of<typeof solveRequest>, { signal, metadata: headers }: ServerCall): Promise<In<typeof solveResponse>> {
  if ((request.definition?.def.length ?? 0) > 0 || Object.keys(request.frontendInputs).length > 0) throw noGraphs();
  if (request.sourcePolicy.length > 0) throw fail("not-implemented", "source policies: not there yet in this version of Gantry");
  if (!/^[\w.-]{1,128}$/.test(request.ref)) throw fail("invalid", `invalid build reference ${JSON.stringify(request.ref)}`);
  const job = jobs.begin(request.ref, signal);
  try {
    const noted = request.frontend === "" ? await driven(parts, sessions, job, request) : { frontend: request.frontend, attributes: request.frontendAttrs, inputs: {} };
    if (noted === undefined) return {};
    const { metadata, text } = await perform(parts, sessions, solveOf(request, noted), { job, session: request.session, states: statesOf(headers) });
    return { exporterResponse: text === undefined ? toldOf(request, metadata) : { ...metadata, ...answerOf(text) } };
  } finally {
    jobs.end(job);
    await job.after.disposeAsync();
  }
}

const statesOf = (headers: Metadata): ReadonlyMap<string, string> => new Map((headers[SYNC.folderState] ?? []).map((text) => [text.slice(0, Math.max(0, text.lastIndexOf("="))), text.slice(text.lastIndexOf("=") + 1)]));

/** An image's id here is the digest of its manifest or index; clients of a docker engine would take that of the configuration for it. */
function toldOf({ exporters, exporter }: Of<typeof solveRequest>, metadata: Readonly<Record<string, string>>): Record<string, string> {
  const isDocker = exporter === "moby" || exporters.some(({ type }) => type === "moby");
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !isDocker || !key.startsWith("containerimage.config.digest")));
}

/** Waits for what the client makes of the build. Undefined: it only wanted to know what the builder can. */
async function driven(parts: BuildKitParts, sessions: Sessions, job: Job, request: Of<typeof solveRequest>): Promise<Noted | undefined> {
  const returned = Promise.withResolvers<Noted | undefined>();
  const images = passingImages(parts.builds, (noted) => {
    const solved = { ...solveOf(request, noted), exporters: [{ type: "image", attrs: {} }], cacheExports: [] };
    return perform(parts, sessions, solved, { job, session: request.session });
  });
  const bridge: Bridge = {
    notes: new Map(),
    returned,
    async ask(noted) {
      if (noted.attributes["requestid"] === undefined) return undefined;
      const { text = "" } = await perform(parts, sessions, solveOf(request, noted), { job, session: request.session });
      return answerOf(text);
    },
    image: images.use,
    files: new Map(),
    async open({ url, file, from }) {
      const translated = translate(solveOf(request, { frontend: "dockerfile.v0", attributes: {}, inputs: {} }));
      const { signal } = job.abort;
      const client = openBuildClient({ sessions, contexts: parts.builds.contexts, translated, signal, session: request.session });
      const title = from === "git" ? `[internal] load git source ${redacted(url)}` : "[internal] load remote build context";
      const remote = await internalStep(reporter(job), request.ref, title, () => parts.builds.openRemote(url, file, { client, signal })).catch((error: unknown) => Promise.reject(asBuildKit(error)));
      job.after.use(remote);
      return readFiles(parts.builds, remote.tree);
    },
  };
  job.bridge = bridge;
  const cancelled = () => returned.reject(fail("cancelled", "context canceled"));
  job.abort.signal.addEventListener("abort", cancelled, { once: true });
  if (job.abort.signal.aborted) cancelled();
  const noted = await returned.promise;
  // What was made for others a moment ago is not made again for itself.
  return noted !== undefined && images.wereMade(noted) ? cached(noted) : noted;
}

function cached(noted: Noted): Noted {
  const { "no-cache": _, ...attributes } = noted.attributes;
  return { ...noted, attributes };
}

function solveOf(request: Of<typeof solveRequest>, { frontend, attributes, inputs }: Noted): Solve {
  const { exporter, exporterAttrs, cache } = request;
  const exporters = request.exporters.length === 0 && exporter !== "" ? [{ type: exporter, attrs: exporterAttrs }] : request.exporters;
  const registry = (ref: string, attrs = {}) => ({ type: "registry", attrs: { ...attrs, ref } });
  return {
    ref: request.ref,
    frontend,
    attributes,
    inputs,
    exporters,
    entitlements: request.entitlements,
    cacheImports: [...(cache?.imports ?? []), ...(cache?.importRefs ?? []).map((ref) => registry(ref))],
    cacheExports: [...(cache?.exports ?? []), ...(cache?.exportRef ? [registry(cache.exportRef, cache.exportAttrs)] : [])],
  };
}

/** Of a build that is over, from what was kept of it. */
async function* status(jobs: Jobs, history: History, { ref }: Of<typeof statusRequest>, call: ServerCall): AsyncGenerator<In<typeof statusResponse>> {
  call.head(now());
  const isPast = jobs.find(ref) === undefined && history.list().some((build) => build.ref === ref && build.status !== "running");
  if (isPast) return yield* past(history, ref, call.signal);
  yield* (await jobs.get(ref, call.signal)).feed.read(call.signal);
}

/** Of so many bytes at a time: all of it, at the reader's pace. */
const PAST = 2 ** 20;

async function* past(history: History, ref: string, signal: AbortSignal): AsyncGenerator<In<typeof statusResponse>> {
  let feed = openStatusFeed();
  let size = 0;
  for await (const event of history.events(ref, { signal })) {
    feed.report(event);
    size += event.kind === "log" ? event.data.length : 256;
    if (size < PAST) continue;
    feed.end();
    yield* feed.read(signal);
    feed = openStatusFeed();
    size = 0;
  }
  feed.end();
  yield* feed.read(signal);
}

/** Clients tell their clock's difference by it. */
const now = () => ({ "buildkit-current-timestamp": [new Date().toISOString()] });
