/** What the commands of networks ask of an engine, and print of its answers, is what the official client does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { main } from "#client/main.ts";
import type { Output } from "#client/client.ts";
import { networkLines } from "../fixtures/network-lines.ts";
import { noDocker, normalized, openRecorder, type Printed, type Recorded, runLine } from "./harness/compare.ts";

const folder = mkdtempSync("/tmp/network-lines-");
const host = `unix://${folder}/s`;
const id = (digit: string) => digit + "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const one = (name: string, more: object = {}) => ({
  Name: name, Id: id(name[0]!), Created: "2026-01-02T03:04:05.678901234Z", Scope: "local", Driver: "bridge", EnableIPv4: true, EnableIPv6: false,
  IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.1.0.0/24", IPRange: "10.1.0.128/25", Gateway: "10.1.0.1", AuxiliaryAddresses: { x: "10.1.0.7" } }] },
  Internal: false, Attachable: false, Ingress: false, ConfigFrom: { Network: "" }, ConfigOnly: false,
  Containers: { [id("c")]: { Name: "web", EndpointID: id("e"), MacAddress: "02:42:0a:01:00:02", IPv4Address: "10.1.0.2/24", IPv6Address: "" } },
  Options: { "com.docker.network.bridge.name": "br9" }, Labels: { a: "1", "com.x.y": "z" }, ...more,
});

const answers = {
  // One label each: the official client shows several in an order of chance.
  "/networks": [one("b10", { Labels: { a: "1" } }), one("b9", { EnableIPv6: true, Labels: {} }), one("a", { Driver: "macvlan", Internal: true, Labels: { b: "2" } })],
  "/networks/create": { Id: id("f"), Warning: "" },
  "/networks/prune": { NetworksDeleted: ["n1", "n2"] },
  "/networks/a": one("a"),
  "/networks/b": one("b", { Containers: {}, Labels: null, Options: null }),
  "/networks/mesh": one("mesh", { Ingress: true }),
  "/networks/n/connect": {},
  "/networks/n/disconnect": {},
};

let recorder: Awaited<ReturnType<typeof openRecorder>>;
before(async () => void (recorder = await openRecorder(`${folder}/s`, answers)));
after(async () => {
  await recorder?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

for (const line of networkLines) {
  test(`network ${line}`, { skip: noDocker ?? false }, async () => {
    const official = await ask(() => runLine("docker", `@ network ${line}`, { host, cwd: folder, config: folder }));
    const ours = await ask(() => (ASKS.has(line) ? runLine("gantry", `@ network ${line}`, { host, cwd: folder, config: folder }) : runHere(line)));
    assert.deepEqual(ours, official);
  });
}

/** They read an answer from their standard input. */
const ASKS = new Set(["prune", "rm mesh"]);

type Asked = Printed & { readonly requests: Recorded[] };

async function ask(run: () => Promise<Printed>): Promise<Asked> {
  const printed = await run();
  return { ...withoutHelp(normalized(printed)), requests: recorder.asked.splice(0).map((request) => ({ ...request, path: decodeURIComponent(request.path), body: comparable(request.body) })) };
}

/** A wrong line ends in a hint at the help, whose words are each client's own. */
const withoutHelp = (printed: Printed): Printed => ({ ...printed, stderr: printed.stderr.replace(/\n+(Usage|See|Run) [\s\S]*/, "\n").replace(/\n\nUsage:[\s\S]*/, "\n") });

/** Our client in this process, and the shell only to split the line: a process each would take half a minute. */
async function runHere(line: string): Promise<Printed> {
  const { stdout: words } = await runLine("docker", `printf '%s\\0' network ${line}`, { host, cwd: folder, config: folder });
  const printed = { stdout: "", stderr: "" };
  const output = (fd: 1 | 2, name: "stdout" | "stderr"): Output => ({ fd, isTerminal: false, columns: 0, write: (data) => void (printed[name] += data.toString()) });
  const code = await main(["--config", folder, "-H", host, ...words.split("\0").slice(0, -1)], { out: output(1, "stdout"), err: output(2, "stderr") });
  return { code, ...printed };
}

const OPERATIONAL = ["NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "DNSNames"];

/** Go's client also sends the fields that only an engine fills in, empty; and it keeps subnets in a map, so that their order is one of chance. */
function comparable(body: unknown): unknown {
  const request = body as { EndpointConfig?: Record<string, unknown>; IPAM?: { Config: { Subnet: string }[] } } | undefined;
  request?.IPAM?.Config.sort((a, b) => (a.Subnet < b.Subnet ? -1 : 1));
  for (const name of OPERATIONAL) delete request?.EndpointConfig?.[name];
  return body;
}
