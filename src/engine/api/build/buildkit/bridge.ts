/**
 * A build that is driven from the client's side. buildx asks for a build of no frontend, then calls the gateway: it solves
 * (always a Dockerfile, which is only noted down: nothing is done before the build's options and outputs are known to belong
 * to it), and returns what is to be exported. A question about the Dockerfile is answered at once.
 */
import { hash, randomBytes } from "node:crypto";
import { fail } from "#base/errors.ts";
import { CODES, method, type Served, type ServerCall, unary } from "#base/grpc/grpc.ts";
import { type In, int64, many, map, message, type Of, sub, text } from "#base/protobuf.ts";
import type { definition } from "#spec/buildkit/control.ts";
import {
  BRIDGE, bridgeSolveRequest, bridgeSolveResponse, BUILD_ID, evaluateRequest, inputsResponse, pong, readFileRequest, readFileResponse, resolveImageRequest, resolveImageResponse, returnRequest, statFileRequest, statFileResponse,
} from "#spec/buildkit/gateway.ts";
import { empty } from "#spec/buildkit/workers.ts";
import { FRONTEND_CAPABILITIES, LLB_CAPABILITIES } from "./capabilities.ts";
import type { Job, Jobs } from "./jobs.ts";
import type { ReadFiles } from "./read-remote.ts";
import { type RemoteGraph, remoteGraph } from "./remote-graph.ts";

/** What a client had solved: the request, to be done when it is returned, or when another build is made of it. */
export type Noted = {
  readonly frontend: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, string>>;
};

export type Bridge = {
  /** A question's answer, as the metadata of a result; undefined: it is no question. */
  ask(noted: Noted): Promise<Readonly<Record<string, string>> | undefined>;
  /** The build as an image in the store, "docker-image://ID", for as long as the build is under way that asks for it. */
  image(noted: Noted, asker: Job): Promise<string>;
  readonly notes: Map<string, Noted>;
  /** Files of elsewhere, for as long as the build is under way. */
  open(remote: RemoteGraph): Promise<ReadFiles>;
  readonly files: Map<string, ReadFiles>;
  /** What is to be exported; undefined: nothing. Rejects with what the client says went wrong. */
  readonly returned: PromiseWithResolvers<Noted | undefined>;
};

const MAX_NOTES = 100;

const methods = {
  ping: method(`${BRIDGE}/Ping`, empty, pong),
  solve: method(`${BRIDGE}/Solve`, bridgeSolveRequest, bridgeSolveResponse),
  return: method(`${BRIDGE}/Return`, returnRequest, empty),
  inputs: method(`${BRIDGE}/Inputs`, empty, inputsResponse),
  evaluate: method(`${BRIDGE}/Evaluate`, evaluateRequest, empty),
  readFile: method(`${BRIDGE}/ReadFile`, readFileRequest, readFileResponse),
  statFile: method(`${BRIDGE}/StatFile`, statFileRequest, statFileResponse),
  resolveImage: method(`${BRIDGE}/ResolveImageConfig`, resolveImageRequest, resolveImageResponse),
};

export function bridgeMethods(jobs: Jobs): Served[] {
  async function find(call: ServerCall): Promise<{ job: Job; bridge: Bridge }> {
    const ref = call.metadata[BUILD_ID]?.[0];
    if (ref === undefined) throw fail("invalid", "no buildid found in context");
    const job = await jobs.get(ref, call.signal, ({ bridge }) => bridge !== undefined);
    return { job, bridge: job.bridge! };
  }

  async function solve(request: Of<typeof bridgeSolveRequest>, call: ServerCall): Promise<In<typeof bridgeSolveResponse>> {
    const { job, bridge } = await find(call);
    if (request.definition !== undefined && request.definition.def.length > 0) return { result: { ref: { id: await opened(bridge, request.definition) } } };
    const inputs: Record<string, string> = {};
    for (const [name, input] of Object.entries(request.frontendInputs)) inputs[name] = await linked(jobs, input, job);
    const imports = request.cacheImports.length === 0 ? {} : { "cache-imports": JSON.stringify(request.cacheImports.map(({ type, attrs }) => ({ Type: type, Attrs: attrs }))) };
    const noted: Noted = { frontend: request.frontend, attributes: { ...imports, ...request.frontendOpt }, inputs };
    const metadata = await bridge.ask(noted);
    if (metadata !== undefined) return { result: { ref: {}, metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value)])) } };
    if (bridge.notes.size >= MAX_NOTES) throw fail("exhausted", `a build solves at most ${MAX_NOTES} times`);
    const id = randomBytes(16).toString("hex");
    bridge.notes.set(id, noted);
    return { result: { ref: { id, definition: standIn(job.ref, id) } } };
  }

  async function fileOf(ref: string, call: ServerCall): Promise<ReadFiles> {
    const { bridge } = await find(call);
    return bridge.files.get(ref) ?? refused("read a file of a result")();
  }

  async function finish(request: Of<typeof returnRequest>, call: ServerCall): Promise<object> {
    const { bridge } = await find(call);
    const { error, result } = request;
    if (error !== undefined && error.code !== CODES.OK) {
      const { code, message: words, details } = error;
      bridge.returned.reject(fail("internal", words, { facts: { grpcCode: code, grpcDetails: details.map(({ typeUrl, value }) => ({ typeUrl, value: Buffer.from(value) })) } }));
      return {};
    }
    const ids = [result?.ref?.id, result?.refDeprecated, ...Object.values(result?.refs?.refs ?? {}).map(({ id }) => id)].filter((id) => id !== undefined && id !== "");
    const noted = ids.length === 0 ? undefined : bridge.notes.get(ids[0]!);
    if (ids.length > 0 && noted === undefined) throw fail("invalid", `there is no result ${ids[0]}`);
    bridge.returned.resolve(noted);
    return {};
  }

  const refused = (what: string) => (): never => {
    throw fail("not-implemented", `${what}: graphs and images of a client's own are not solved; Dockerfiles are`);
  };
  return [
    unary(methods.ping, async (_, call) => {
      await find(call);
      return { frontendCaps: FRONTEND_CAPABILITIES, llbCaps: LLB_CAPABILITIES, workers: [] };
    }),
    unary(methods.solve, solve),
    unary(methods.return, finish),
    unary(methods.inputs, async (_, call) => (await find(call), {})),
    // It is done when it is returned: nothing is looked at in between.
    unary(methods.evaluate, async (_, call) => (await find(call), {})),
    unary(methods.readFile, async ({ ref, filePath, range }, call) => ({ data: await (await fileOf(ref, call)).read(filePath, range) })),
    unary(methods.statFile, async ({ ref, path }, call) => ({ stat: (await fileOf(ref, call)).stat(path) })),
    unary(methods.resolveImage, refused("resolve an image")),
  ];
}

function noGraph(): never {
  throw noGraphs();
}

export const noGraphs = () => fail("not-implemented", "solve: a graph of instructions (LLB) is not accepted from clients; a Dockerfile is (frontend dockerfile.v0)");

const source = message("pb.SourceOp", { identifier: text(1), attrs: map(2, text(0)) });
const op = message("pb.Op", { inputs: many(sub(1, message("pb.Input", { digest: text(1), index: int64(2) }))), source: sub(3, source) });

const STAND_IN = /^gantry-build:\/\/([^/]{1,128})\/([0-9a-f]{32})$/;

/** A result as a graph of one step, which means something only here: clients hand it on to builds that are made of it. */
function standIn(ref: string, id: string): In<typeof definition> {
  const first = op.encode({ source: { identifier: `gantry-build://${encodeURIComponent(ref)}/${id}` } });
  const digest = `sha256:${hash("sha256", first)}`;
  return { def: [first, op.encode({ inputs: [{ digest }] })], metadata: { [digest]: Buffer.alloc(0) } };
}

async function opened(bridge: Bridge, graph: Of<typeof definition>): Promise<string> {
  const remote = remoteGraph(graph);
  if (remote === undefined) throw noGraphs();
  if (bridge.files.size >= MAX_NOTES) throw fail("exhausted", `a build solves at most ${MAX_NOTES} times`);
  const id = randomBytes(16).toString("hex");
  bridge.files.set(id, await bridge.open(remote));
  return id;
}

/** The image of another build under way, made now: its client waits for this one, so it is still there to be asked. Or an address. */
async function linked(jobs: Jobs, graph: Of<typeof definition>, asker: Job): Promise<string> {
  const { def } = graph;
  for (const bytes of def) {
    const [, ref, id] = STAND_IN.exec(op.decode(bytes).source?.identifier ?? "") ?? [];
    if (ref === undefined) continue;
    const bridge = jobs.find(decodeURIComponent(ref))?.bridge;
    const noted = bridge?.notes.get(id!);
    if (bridge === undefined || noted === undefined) throw fail("not-found", "the build that this one is made of is not under way any more");
    return await bridge.image(noted, asker);
  }
  return remoteGraph(graph)?.url ?? noGraph();
}
