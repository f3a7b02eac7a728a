/** Webhooks, audit log, metrics and health, of a registry that is used. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, renameSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { hashSync } from "bcryptjs";
import { openLog } from "#base/log.ts";
import { digestOf, pushImage, startRegistry } from "../../../test/fixtures/registry.ts";
import { openAudit } from "./audit.ts";
import type { RegistryEvent } from "./events.ts";
import { openWebhook } from "./webhook.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-events-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const htpasswd = join(folder, "htpasswd");
writeFileSync(htpasswd, `ann:${hashSync("ann's secret", 4)}\n`);
const ann = { user: "ann:ann's secret", headers: { "user-agent": "test/1 \"quoted\"" } };

type Hooks = AsyncDisposable & { readonly url: string; readonly events: any[]; readonly headers: IncomingHttpHeaders[]; status: number; some(count: number): Promise<void> };

/** Takes events; `status` is what it answers. */
async function listen(): Promise<Hooks> {
  const waiting: { count: number; done: () => void }[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString();
    hooks.headers.push(incoming.headers);
    if (hooks.status < 300) hooks.events.push(...JSON.parse(body).events);
    outgoing.writeHead(hooks.status).end();
    for (const { count, done } of waiting) if (hooks.events.length >= count) done();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const hooks: Hooks = {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/hook`,
    events: [],
    headers: [],
    status: 200,
    some: (count) => (hooks.events.length >= count ? Promise.resolve() : new Promise((done) => waiting.push({ count, done }))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return hooks;
}

test("a push, a pull and a delete are told: to webhooks, in the audit log, as counts", async () => {
  await using hooks = await listen();
  const audit = join(folder, "audit.jsonl");
  let digest = "";
  {
    await using registry = await startRegistry({ htpasswd, audit, metrics: true, webhooks: [{ name: "all", url: hooks.url, headers: { authorization: "Bearer hook-secret" } }, { name: "deletes", url: hooks.url, actions: ["delete"] }] });
    const layer = Buffer.from("a layer");
    digest = await pushImage(registry, "team/app", "1", [layer], ann);
    await registry.fetch("GET", "/v2/team/app/manifests/1", ann);
    await registry.fetch("POST", `/v2/team/other/blobs/uploads/?mount=${digestOf(layer)}&from=team/app`, ann);
    assert.equal((await registry.fetch("DELETE", "/v2/team/app/manifests/1", ann)).status, 202);
    await registry.fetch("GET", "/v2/team/app/manifests/1");
    await registry.fetch("GET", "/v2/team/app/manifests/1", { user: "ann:a wrong one" });
    await registry.fetch("GET", "/v2/team/app/manifests/1", { token: "none" });
    await hooks.some(7);
    const metrics = (await registry.fetch("GET", "/metrics")).text;
    assert.match(metrics, /gantry_registry_requests_total\{method="PUT",route="manifest",code="201"\} 1/);
    assert.match(metrics, /gantry_registry_events_total\{action="push",target="manifest"\} 1/);
    assert.match(metrics, /gantry_registry_requests_total\{method="GET",route="manifest",code="401"\} 3/);
    assert.match(metrics, /gantry_registry_refused_total\{why="password"\} 1/);
    // As if through a proxy on this machine: then only by account.
    const forwarded = { "x-forwarded-for": "192.0.2.1" };
    assert.equal((await registry.fetch("GET", "/metrics", { headers: forwarded })).status, 401);
    assert.equal((await registry.fetch("GET", "/metrics", { user: ann.user, headers: forwarded })).status, 200);
    assert.doesNotMatch(metrics, /team\/app/);
    assert.equal((await registry.fetch("GET", "/healthz")).status, 200);
    for (const secret of ["hook-secret", "ann's secret"]) assert.equal(registry.log.join("").includes(secret), false);
  }
  const told = hooks.events.map(({ action, target, actor }) => [action, target.repository, target.tag, actor.name]);
  assert.deepEqual(told.filter(([action]) => action === "delete").length, 2);
  const push = hooks.events.find(({ action, target }) => action === "push" && target.tag === "1");
  assert.equal(push.target.digest, digest);
  assert.equal(push.target.mediaType, "application/vnd.oci.image.manifest.v1+json");
  assert.equal(push.request.useragent, ann.headers["user-agent"]);
  assert.equal(hooks.events.find(({ action }) => action === "mount").target.fromRepository, "team/app");
  assert.equal(hooks.headers[0]!["content-type"], "application/vnd.docker.distribution.events.v2+json");
  assert.ok(hooks.headers.some(({ authorization }) => authorization === "Bearer hook-secret"));

  const text = readFileSync(audit, "utf8");
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ who, what, target, result }) => `${who} ${what} ${target ?? "?"}: ${result}`), [
    ...["ann push blob: done", "ann push blob: done", "ann push manifest: done", "ann pull manifest: done", "ann mount blob: done", "ann delete tag: done"],
    ...["ann read ?: wrong password", " read ?: invalid token"],
  ]);
  assert.equal(lines[2].digest, digest);
  for (const secret of ["ann's secret", "a wrong one", "hook-secret", Buffer.from("ann:ann's secret").toString("base64")]) assert.equal(text.includes(secret), false);
});

const log = openLog({ write: () => {} });
const event = (repository: string): RegistryEvent => ({ kind: "push", target: "manifest", repository, actor: { identity: "ann", address: "127.0.0.1", userAgent: "", requestId: "1" } });

test("a webhook that fails gets everything later, in order; one that is away for long loses the newest, and nobody waits", async () => {
  await using hooks = await listen();
  hooks.status = 500;
  await using webhook = openWebhook({ name: "x", url: hooks.url, backoffMs: 1 }, { host: "", log });
  for (let i = 0; i < 1200; i++) webhook.emit(event(`r/${i}`));
  assert.equal(webhook.counts.waiting, 1000);
  assert.equal(webhook.counts.dropped, 200);
  while (hooks.headers.length < 3) await new Promise((resolve) => setImmediate(resolve));
  hooks.status = 204;
  await hooks.some(1000);
  assert.deepEqual(hooks.events.map(({ target }) => target.repository), Array.from({ length: 1000 }, (_, i) => `r/${i}`));
  assert.ok(webhook.counts.failures >= 3);
});

test("a webhook's redirect is not followed: the headers are for its address", async () => {
  await using evil = await listen();
  const server = createServer((_request, response) => response.writeHead(307, { location: evil.url }).end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const webhook = openWebhook({ name: "x", url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, backoffMs: 1, headers: { authorization: "secret" } }, { host: "", log });
  webhook.emit(event("r"));
  while (webhook.counts.failures < 2) await new Promise((resolve) => setImmediate(resolve));
  await webhook[Symbol.asyncDispose]();
  server.close();
  assert.equal(evil.headers.length, 0);
});

test("the audit log follows its name when it is rotated, and a hostile name stays in its line", async () => {
  const path = join(folder, "rotated");
  const audit = await openAudit(path, log);
  audit.emit(event("one"));
  await lines(path, 1);
  renameSync(path, `${path}.1`);
  audit.emit({ ...event("two"), actor: { identity: 'x","who":"root', address: "", userAgent: "\n{}", requestId: "" } });
  const [second] = await lines(path, 1);
  await audit[Symbol.asyncDispose]();
  assert.equal(JSON.parse(second!).who, 'x","who":"root');
  assert.equal(readFileSync(`${path}.1`, "utf8").trimEnd().split("\n").length, 1);
});

async function lines(path: string, count: number): Promise<string[]> {
  const limit = Date.now() + 20_000;
  while (Date.now() < limit) {
    try {
      const found = readFileSync(path, "utf8").split("\n").filter(Boolean);
      if (found.length >= count) return found;
    } catch {}
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`${path} has not ${count} lines`);
}
