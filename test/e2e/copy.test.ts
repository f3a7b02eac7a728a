/** Images that go from registry to registry and from engine to engine: only what the other side has not. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { tar } from "../fixtures/tar.ts";
import { stories } from "./harness.ts";
import { openEngine, type Engine } from "./harness/engine.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";
import { otherArchitecture, putImage, putIndex, shellLayer } from "./harness/registry-content.ts";

const { story } = stories("copy");
const only = { only: "gantry" } as const;

let first: Registry;
let second: Registry;
let other: Engine;
before(async () => {
  first = await openRegistry();
  second = await openRegistry({ accounts: { ann: "secret" } });
  if (process.getuid?.() === 0) other = await openEngine();
});
after(async () => {
  await first?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
});

const fresh = () => `c-${randomBytes(4).toString("hex")}`;

story("from registry to registry, an index whole, each with its own credentials; nothing is taken in", async ({ cli }) => {
  const repository = fresh();
  const manifests = [await putImage(first.host, repository, undefined, { layers: [shellLayer([{ path: "x", data: repository }])] }), await putImage(first.host, repository, undefined, { architecture: otherArchitecture })];
  const index = await putIndex(first.host, repository, "1", manifests);
  const target = `${second.host}/${repository}:2`;
  await cli.fails(1, /push access denied|denied|unauthorized|401/, "copy", `${first.host}/${repository}:1`, target);
  assert.equal((await cli.with({ input: "secret" })("login", "-u", "ann", "--password-stdin", second.host)).code, 0);
  assert.match(await cli.ok("copy", `${first.host}/${repository}:1`, target), new RegExp(`^2: digest: ${index.digest} size: `, "m"));
  assert.equal(first.tap.seen.some(({ headers }) => headers.authorization !== undefined), false, "the one's credentials are not the other's");
  assert.match(await cli.ok("copy", `${first.host}/${repository}:1`, target), /: Layer already exists$/m);
  assert.equal(await cli.ok("images", "-q", `${second.host}/${repository}`), "");
  assert.match(await cli.ok("pull", target), new RegExp(`^Digest: ${index.digest}$`, "m"));
  assert.equal(await cli.ok("run", "--rm", target, "sh", "-c", "cat /x"), repository);
  await cli.ok("rmi", target);
  await cli.ok("logout", second.host);
}, only);

story("from engine to engine: the second image with one other layer sends that layer", async ({ cli }) => {
  const repository = fresh();
  const base = [shellLayer([{ path: "of", data: repository }]), tar([{ path: "same", data: randomBytes(50_000) }])];
  const name = `${first.host}/${repository}`;
  for (const tag of ["1", "2"]) {
    await putImage(first.host, repository, tag, { layers: [...base, tar([{ path: "v", data: tag }])] });
    await cli.ok("pull", "-q", `${name}:${tag}`);
  }
  const address = `unix://${other.place.socket}`;
  assert.match(await cli.ok("copy", `${name}:1`, "--to", address), new RegExp(`^Sending 5 of 5 blobs, [^\n]*\nLoaded image: ${name}:1$`));
  assert.match(await cli.ok("copy", `${name}:2`, "--to", address), new RegExp(`^Sending 3 of 5 blobs, [^\n]*\nLoaded image: ${name}:2$`));
  assert.match(await cli.ok("copy", `${name}:2`, "--to", address), /^Sending 0 of 5 blobs, /);
  const [here, there] = [await cli.ok("inspect", "--type", "image", "-f", "{{.Id}}", `${name}:2`), await other.api("GET", `/images/${name}:2/json`)];
  assert.equal((there.body as { Id: string }).Id, here);
  assert.equal(await cli.ok("-H", address, "run", "--rm", `${name}:2`, "sh", "-c", "cat /v"), "2");
  await cli.ok("context", "create", `other-${repository}`, "--docker", `host=${address}`);
  assert.match(await cli.ok("copy", `${name}:1`, "--to", `other-${repository}`), /^Sending 0 of 5 blobs, /);
  await cli.fails(1, /No such image: nosuch/, "copy", "nosuch:1", "--to", address);
  await cli.fails(1, /leave TARGET out/, "copy", "a", "b", "--to", address);
  await cli.fails(1, /TARGET is missing/, "copy", "a");
  await cli.ok("rmi", `${name}:1`, `${name}:2`);
}, only);
