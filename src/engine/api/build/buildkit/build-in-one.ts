/**
 * POST /build?version=2: a build in one request, with a session beside it, as clients ask for it that have BuildKit's parts
 * but not its control service. What is told are lines of JSON, in them status messages as they would be on a stream.
 */
import { randomBytes } from "node:crypto";
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { type Json, parseJson } from "#base/json.ts";
import { statusResponse } from "#spec/buildkit/control.ts";
import { type Answer, type ApiCall, endAfterRequest } from "../../answer.ts";
import { bytesOf, isEmpty } from "../../body.ts";
import { writeChunk } from "../../streaming.ts";
import { registryConfig } from "../classic/client.ts";
import type { BuildKitParts } from "./buildkit.ts";
import type { Job, Jobs } from "./jobs.ts";
import { perform } from "./perform.ts";
import type { Sessions } from "./sessions.ts";
import type { Solve } from "./solve-request.ts";

export async function buildInOne(parts: BuildKitParts, sessions: Sessions, jobs: Jobs, call: ApiCall): Promise<Answer> {
  const { query, request } = call;
  const ref = query.get("buildid") || randomBytes(16).toString("hex");
  const archive = isEmpty(request) ? undefined : bytesOf(request);
  const solve = solveOf(ref, query, archive !== undefined);
  const job = jobs.begin(ref, call.signal);
  call.response.writeHead(200, { "Content-Type": "application/json" });
  call.response.flushHeaders();
  const told = tell(call, job);
  try {
    const { image } = await perform(parts, sessions, solve, { job, session: query.get("session") ?? "", archive, given: registryConfig(call.headers) });
    jobs.end(job);
    await told;
    if (image !== undefined) await line(call, { id: "moby.image.id", aux: { ID: image } });
  } catch (error) {
    jobs.end(job);
    await told;
    const message = kindOf(error) === "cancelled" ? "context canceled" : messageOf(error);
    await line(call, { errorDetail: { message }, error: message });
  }
  endAfterRequest(call.response);
  return undefined;
}

const line = (call: ApiCall, message: object): Promise<boolean> => writeChunk(call, `${JSON.stringify(message)}\r\n`);

async function tell(call: ApiCall, job: Job): Promise<void> {
  for await (const message of job.feed.read(call.signal)) await line(call, { id: "moby.buildkit.trace", aux: statusResponse.encode(message).toString("base64") });
}

/** The older words for the same wishes. */
function solveOf(ref: string, query: URLSearchParams, hasArchive: boolean): Solve {
  const remote = query.get("remote") ?? "";
  const attributes: Record<string, string> = {
    filename: query.get("dockerfile") || "Dockerfile",
    ...whenGiven("target", query.get("target")),
    ...whenGiven("platform", query.get("platform")),
    ...whenGiven("shm-size", query.get("shmsize") === "0" ? "" : query.get("shmsize")),
    ...whenGiven("cgroup-parent", query.get("cgroupparent")),
    ...whenGiven("force-network-mode", query.get("networkmode")),
    ...whenGiven("add-hosts", query.getAll("extrahosts").map((host) => host.replace(":", "=")).join(",")),
    ...whenGiven("ulimit", ulimitsOf(query)),
    ...(isTrue(query.get("nocache")) && { "no-cache": "" }),
    "image-resolve-mode": isTrue(query.get("pull")) ? "pull" : "local",
    ...prefixed("build-arg:", objectOf(query, "buildargs")),
    ...prefixed("label:", objectOf(query, "labels")),
    ...(hasArchive && { context: "http://buildkit-session/body" }),
    ...(remote !== "" && remote !== "client-session" && { context: remote }),
  };
  if (isTrue(query.get("squash"))) attributes["squash"] = "new";
  const cacheImports = listOf(query, "cachefrom").map((name) => ({ type: "registry", attrs: { ref: String(name) } }));
  const network = query.get("networkmode") === "host" ? ["network.host"] : [];
  return { ref, frontend: "dockerfile.v0", attributes, exporters: exportersOf(query), entitlements: network, cacheImports, cacheExports: attributes["build-arg:BUILDKIT_INLINE_CACHE"] === "1" ? [{ type: "inline", attrs: {} }] : [] };
}

function exportersOf(query: URLSearchParams): Solve["exporters"] {
  const outputs = listOf(query, "outputs").map((one) => (one ?? {}) as { Type?: string; Attrs?: Record<string, string> | null });
  if (outputs.length > 0) return outputs.map(({ Type: type = "", Attrs: attrs }) => ({ type, attrs: attrs ?? {} }));
  return [{ type: "moby", attrs: { name: query.getAll("t").join(",") } }];
}

const whenGiven = (key: string, value: string | null) => (value === null || value === "" ? {} : { [key]: value });
const isTrue = (value: string | null): boolean => value !== null && /^(1|t|true)$/i.test(value);

function prefixed(prefix: string, values: Readonly<Record<string, Json>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [[prefix + key, String(value)]])));
}

function ulimitsOf(query: URLSearchParams): string {
  return listOf(query, "ulimits").map((one) => {
    const { Name = "", Soft = 0, Hard = 0 } = (one ?? {}) as { Name?: string; Soft?: number; Hard?: number };
    return `${Name}=${Soft}:${Hard}`;
  }).join(",");
}

function objectOf(query: URLSearchParams, key: string): Record<string, Json> {
  const value = jsonOf(query, key);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function listOf(query: URLSearchParams, key: string): Json[] {
  const value = jsonOf(query, key);
  return Array.isArray(value) ? value : [];
}

function jsonOf(query: URLSearchParams, key: string): Json {
  const text = query.get(key);
  if (text === null || text === "") return null;
  try {
    return parseJson(text);
  } catch (error) {
    throw fail("invalid", `error reading ${key}: ${messageOf(error)}`, { cause: error });
  }
}
