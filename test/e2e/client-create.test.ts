/** What `create` asks of an engine is what the official client asks, flag by flag, and so is what it refuses. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { main } from "#client/main.ts";
import type { Output } from "#client/client.ts";
import { createLines } from "../fixtures/create-lines.ts";
import { noDocker, openRecorder, type Printed, type Recorded, runLine } from "./harness/compare.ts";

const folder = mkdtempSync("/tmp/create-");
const host = `unix://${folder}/s`;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

before(async () => {
  writeFileSync(`${folder}/env`, "# c\nA=b\nHOME\nNOPE\n  C=d e\nX= y \n");
  writeFileSync(`${folder}/labels`, "a=b\nc\n");
  writeFileSync(`${folder}/profile.json`, '{ "defaultAction" : "SCMP_ACT_ALLOW" }');
  recorder = await openRecorder(`${folder}/s`, { "/containers/create": { Id: "a".repeat(64), Warnings: [] } });
});
after(async () => {
  await recorder?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

for (const line of createLines) {
  test(`create ${line}`, { skip: noDocker ?? false }, async () => {
    const official = await ask(() => runLine("docker", `@ create ${line}`, { host, cwd: folder, config: folder }));
    const ours = await ask(() => runHere(line));
    assert.deepEqual(ours, official);
  });
}

type Asked = { readonly code: number | null; readonly stderr: string; readonly requests: Recorded[] };

async function ask(run: () => Promise<Printed>): Promise<Asked> {
  const { code, stderr } = await run();
  const requests = recorder.asked.splice(0).map((request) => ({ ...request, body: comparable(request.body) }));
  return { code, stderr: stderr.replaceAll("gantry", "docker"), requests };
}

/** Our client in this process, and the shell only to split the line: a process each would take half a minute. */
async function runHere(line: string): Promise<Printed> {
  const { stdout: words } = await runLine("docker", `printf '%s\\0' create ${line}`, { host, cwd: folder, config: folder });
  const printed = { stdout: "", stderr: "" };
  const output = (fd: 1 | 2, name: "stdout" | "stderr"): Output => ({ fd, isTerminal: false, columns: 0, write: (data) => void (printed[name] += data.toString()) });
  const here = process.cwd();
  process.chdir(folder);
  try {
    const code = await main(["--config", folder, "-H", host, ...words.split("\0").slice(0, -1)], { out: output(1, "stdout"), err: output(2, "stderr") });
    return { code, ...printed };
  } finally {
    process.chdir(here);
  }
}

/**
 * Go's client also sends the fields of an endpoint that only an engine fills in, empty; and it keeps variables and
 * binds in maps, so that their order is one of chance.
 */
function comparable(body: unknown): unknown {
  const request = body as { Env?: string[] | null; HostConfig?: { Binds?: string[] | null } };
  request?.Env?.sort();
  request?.HostConfig?.Binds?.sort();
  const endpoints = (body as { NetworkingConfig?: { EndpointsConfig?: Record<string, Record<string, unknown>> } })?.NetworkingConfig?.EndpointsConfig ?? {};
  for (const endpoint of Object.values(endpoints)) {
    for (const name of ["NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "DNSNames"]) {
      delete endpoint[name];
    }
  }
  return body;
}
