/**
 * The networks' part of the API, told to a real Docker 20.10 and to Gantry in the same words: codes and answers are the
 * same, word by word, but for ids, addresses and times. What differs on purpose stands in `differs`, with the reason.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { onPath } from "../packages.ts";
import { busyboxArchive, busyboxMissing } from "../fixtures/image.ts";
import { openClient } from "./harness/client.ts";
import { openEngine, type Engine, type EngineKind } from "./harness/engine.ts";

const skip = process.getuid?.() !== 0 ? "containers need root" : busyboxMissing ?? ["docker", "dockerd"].filter((name) => onPath(name) === undefined).map((name) => `${name} is not on this machine`)[0] ?? false;

const engines: Partial<Record<EngineKind, Engine>> = {};

before(async () => {
  if (skip !== false) return;
  const open = async (kind: EngineKind, flags: string[]) => {
    const engine = (engines[kind] = await openEngine(flags, kind));
    writeFileSync(join(engine.place.folder, "busybox.tar"), busyboxArchive());
    await openClient("docker", engine).ok("load", "-q", "-i", join(engine.place.folder, "busybox.tar"));
  };
  await Promise.all([open("gantry", []), open("dockerd", ["--iptables=false"])]);
});
after(async () => {
  await Promise.all(Object.values(engines).map(async (engine) => {
    const containers = (await engine.api("GET", "/containers/json?all=1")).body as { Id: string }[];
    await Promise.all(containers.map(({ Id }) => engine.api("DELETE", `/containers/${Id}?force=1`)));
    await engine.api("POST", "/networks/prune");
    for (const name of ["cfg", "from"]) await engine.api("DELETE", `/networks/${name}`);
    await engine[Symbol.asyncDispose]();
  }));
});

const SLEEPS = { Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL" };
const on = (mode: string, endpoints: object = {}) => ({ ...SLEEPS, HostConfig: { NetworkMode: mode }, NetworkingConfig: { EndpointsConfig: endpoints } });
const subnets = (...Config: object[]) => ({ IPAM: { Driver: "default", Config } });
const created = (name: string, more: object = {}, differs?: string): Line => ["POST /networks/create", { Name: name, CheckDuplicate: true, ...more }, differs];
const BAD_OPTION = "20.10 says 500: bad input is 400 since 23";

type Line = readonly [call: string, body?: object | undefined, differs?: string | undefined];

/** Told in this order; names begin with their meaning. */
const STORY: readonly Line[] = [
  // Making.
  created("plain"),
  created("plain"),
  created("bridge"),
  created("host"),
  created("none"),
  created("default"),
  created("odd name"),
  created("x1", { Driver: "host" }),
  created("x1", { Driver: "null" }),
  created("x1", { Driver: "overlay" }, "20.10 says 500"),
  created("x1", { Scope: "swarm" }),
  created("x1", { Ingress: true }),
  created("x1", { Options: { "com.docker.network.bridge.enable_icc": "maybe" } }, BAD_OPTION),
  created("x1", { Options: { "com.docker.network.bridge.enable_ip_masquerade": "maybe" } }, BAD_OPTION),
  created("x1", { Options: { "com.docker.network.driver.mtu": "x" } }, BAD_OPTION),
  created("own", { ...subnets({ Subnet: "10.231.0.0/24", IPRange: "10.231.0.128/25", Gateway: "10.231.0.1", AuxiliaryAddresses: { router: "10.231.0.5" } }), Labels: { a: "1", b: "" }, Attachable: true }),
  created("x1", subnets({ Subnet: "10.231.0.0/25" }), "Docker 28 says what was attempted: \"invalid pool request: \""),
  created("inner", { Internal: true }),
  created("six", { EnableIPv6: true, ...subnets({ Subnet: "fd00:e7e7::/64", Gateway: "fd00:e7e7::1" }) }),
  created("cfg", { ConfigOnly: true, ...subnets({ Subnet: "10.234.0.0/24", Gateway: "10.234.0.1" }) }),
  created("x3", { ConfigOnly: true, Internal: true }),
  created("x3", { ConfigFrom: { Network: "nope" } }),
  created("x3", { ConfigFrom: { Network: "cfg" }, ...subnets({ Subnet: "10.235.0.0/24" }) }),
  created("from", { ConfigFrom: { Network: "cfg" } }),
  ["DELETE /networks/cfg"],
  ["DELETE /networks/bridge"],
  ["DELETE /networks/nope"],
  ["DELETE /networks/x1"],
  // Seeing.
  ["GET /networks/own"],
  ["GET /networks/inner"],
  ["GET /networks/six"],
  ["GET /networks/cfg"],
  ["GET /networks/from"],
  ["GET /networks/nope"],
  ["GET /networks/own?verbose=true"],
  ["GET /networks/own?scope=local"],
  ["GET /networks/own?scope=swarm"],
  ["GET /networks?filters={\"name\":[\"own\"]}"],
  ["GET /networks?filters={\"name\":[\"^o\"],\"driver\":[\"bridge\"]}"],
  ["GET /networks?filters={\"label\":[\"a=1\"]}"],
  ["GET /networks?filters={\"label\":[\"a=2\"]}"],
  ["GET /networks?filters={\"type\":[\"odd\"]}", undefined, BAD_OPTION],
  ["GET /networks?filters={\"scope\":[\"swarm\"]}"],
  // Being in.
  ["POST /containers/create?name=aa", on("own", { own: { Aliases: ["alpha"], IPAMConfig: { IPv4Address: "10.231.0.9" } } })],
  ["POST /containers/aa/start"],
  ["POST /containers/create?name=bb", on("own")],
  ["POST /containers/bb/start"],
  ["POST /containers/create?name=hh", on("host")],
  ["POST /containers/hh/start"],
  ["POST /containers/create?name=nn", on("none")],
  ["POST /containers/nn/start"],
  ["POST /containers/create?name=jj", on("container:aa")],
  ["POST /containers/jj/start"],
  ["POST /containers/create?name=later", on("default")],
  ["POST /containers/create?name=two", on("own", { own: {}, plain: {} }), "the order of the names in the sentence is one of chance"],
  ["GET /networks/own"],
  ["POST /networks/plain/connect", { Container: "aa" }],
  ["POST /networks/plain/connect", { Container: "aa" }],
  ["POST /networks/nope/connect", { Container: "aa" }],
  ["POST /networks/plain/connect", { Container: "nope" }],
  ["POST /networks/plain/connect", { Container: "hh" }],
  ["POST /networks/plain/connect", { Container: "nn" }],
  ["POST /networks/plain/connect", { Container: "jj" }],
  ["POST /networks/host/connect", { Container: "aa" }],
  ["POST /networks/none/connect", { Container: "aa" }],
  ["POST /networks/own/connect", { Container: "later", EndpointConfig: { Aliases: ["lambda"], Links: ["aa:first"] } }],
  ["POST /networks/bridge/connect", { Container: "bb" }],
  ["POST /networks/six/connect", { Container: "bb", EndpointConfig: { IPAMConfig: { IPv6Address: "fd00:e7e7::77" } } }],
  ["GET /containers/aa/json"],
  ["GET /containers/bb/json"],
  ["GET /containers/hh/json"],
  ["GET /containers/nn/json"],
  ["GET /containers/jj/json"],
  ["POST /containers/later/start"],
  ["GET /containers/later/json"],
  ["GET /containers/json?filters={\"network\":[\"own\"]}"],
  ["POST /networks/cfg/connect", { Container: "bb" }],
  ["DELETE /networks/own", undefined, "Docker 28 names the endpoints"],
  // Going.
  ["POST /networks/plain/disconnect", { Container: "aa" }],
  ["POST /networks/plain/disconnect", { Container: "aa" }],
  ["POST /networks/nope/disconnect", { Container: "aa" }],
  ["POST /networks/plain/disconnect", { Container: "nope" }],
  ["POST /networks/plain/disconnect", { Container: "nope", Force: true }],
  ["POST /networks/host/disconnect", { Container: "hh" }],
  ["POST /containers/aa/stop?t=0"],
  ["GET /containers/aa/json"],
  ["POST /networks/own/disconnect", { Container: "aa" }],
  ["GET /containers/aa/json"],
  ["POST /networks/prune?filters={\"label\":[\"nope\"]}"],
  ["POST /networks/prune?filters={\"until\":[\"1000h\"]}"],
];

for (const [at, [call, body, differs]] of STORY.entries()) {
  test(`${at + 1}: ${call} ${body === undefined ? "" : JSON.stringify(body)}`, { skip, timeout: 60_000 }, async () => {
    const [ours, theirs] = [await say(engines.gantry!, call, body), await say(engines.dockerd!, call, body)];
    if (differs === undefined) assert.deepEqual(ours, theirs);
    else assert.equal(ours.status >= 400 || theirs.status >= 400, true, `no difference any more: ${differs}`);
  });
}

async function say(engine: Engine, line: string, body: object | undefined): Promise<{ status: number; body: unknown }> {
  const [method = "", path = ""] = line.split(" ");
  const answer = await engine.api(method, `/v1.41${encodeURI(path)}`, body);
  return { status: answer.status, body: withoutOwn(comparable(path, answer.body)) };
}

/** Members of a network by name, not by id; of a container only what is said of its networks. */
function comparable(path: string, body: unknown): unknown {
  const { Containers: members } = body as { Containers?: Record<string, { Name: string }> };
  if (members !== undefined) return { ...(body as object), Containers: Object.values(members).sort((a, b) => (a.Name < b.Name ? -1 : 1)) };
  if (path.startsWith("/networks?") && Array.isArray(body)) return body.toSorted((a: { Name: string }, b: { Name: string }) => (a.Name < b.Name ? -1 : 1));
  if (!/^\/containers\/\w+\/json$/.test(path)) return Array.isArray(body) && path.startsWith("/containers/json") ? body.map(({ NetworkSettings }) => NetworkSettings) : body;
  const { NetworkSettings: settings } = body as { NetworkSettings?: Record<string, unknown> };
  const { SandboxID: _, SandboxKey: __, ...rest } = settings ?? {};
  return rest;
}

/** Fields that came after 1.41 and that Docker does not hide from older clients either. */
const NEWER = ["GwPriority", "DNSNames", "EnableIPv4"];

/** Without what is each engine's own: ids, interfaces, times, addresses of subnets that it chose. */
function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwn);
  if (typeof value === "string") return plain(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !NEWER.includes(key)).map(([key, one]) => [plain(key), OWN[key]?.(one) ?? withoutOwn(one)]));
}

/** Pools are of different sizes: /16 and /20. */
const OWN: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  MacAddress: (value) => (value === "" ? undefined : "MAC"),
  IPPrefixLen: (value) => (value === 16 || value === 20 ? "LENGTH" : undefined),
};

function plain(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, "ID")
    .replace(/\b[0-9a-f]{12}\b/g, "ID12")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b(172\.\d+|192\.168|10\.22\d)(\.\d+)+(\/\d+)?/g, "ADDRESS")
    .replace(/\n$/, "");
}
