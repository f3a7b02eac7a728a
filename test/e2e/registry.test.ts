import assert from "node:assert/strict";
import { after, before } from "node:test";
import { randomBytes } from "node:crypto";
import { tar } from "../fixtures/tar.ts";
import { stories } from "./harness.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";
import { hostArchitecture, otherArchitecture, putImage, putIndex, shellLayer } from "./harness/registry-content.ts";

const { story } = stories("registry");

let registry: Registry;
before(async () => {
  registry = await openRegistry();
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
});

/** Names of a story's own: clients and runs must not meet in one repository. */
const fresh = (name: string) => `${name}-${randomBytes(4).toString("hex")}`;
const at = (repository: string) => `${registry.host}/${repository}`;

story("push, remove here, pull by tag and by digest, run", async ({ cli }) => {
  const name = at(fresh("box"));
  await cli.ok("tag", "busybox", `${name}:1`);
  const pushed = await cli.ok("push", `${name}:1`);
  assert.match(pushed, new RegExp(`^The push refers to repository \\[${name}\\]\n[0-9a-f]{12}: Preparing\n`));
  const digest = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed)?.[1];
  assert.ok(digest !== undefined, pushed);
  await cli.ok("rmi", `${name}:1`);
  const pulled = await cli.ok("pull", `${name}:1`);
  assert.match(pulled, new RegExp(`^1: Pulling from ${name.split("/")[1]}\n`));
  assert.match(pulled, new RegExp(`\nDigest: ${digest}\nStatus: (Downloaded newer image|Image is up to date) for ${name}:1\n${name}:1$`));
  assert.equal(await cli.ok("run", "--rm", `${name}:1`, "echo", "here"), "here");
  assert.equal(await cli.ok("pull", "-q", `${name}@${digest}`), `${name}@${digest}`);
  assert.equal(await cli.ok("run", "--rm", `${name}@${digest}`, "echo", "pinned"), "pinned");
  assert.match(await cli.ok("pull", `${name}:1`), new RegExp(`^1: Pulling from [^\n]*\nDigest: ${digest}\nStatus: Image is up to date for ${name}:1\n${name}:1$`));
  // With its last tag its digest names go, too.
  assert.match(await cli.ok("rmi", `${name}:1`), new RegExp(`^Untagged: ${name}:1\nUntagged: ${name}@${digest}`));
});

story("a pull tells of each layer, and names the default tag", async ({ cli }) => {
  const repository = fresh("told");
  await putImage(registry.host, repository, "latest", { layers: [shellLayer(), tar([{ path: "x", data: repository }])] });
  const lines = (await cli.ok("pull", at(repository))).split("\n");
  assert.deepEqual(lines.slice(0, 2), ["Using default tag: latest", `latest: Pulling from ${repository}`]);
  for (const status of ["Pulling fs layer", "Download complete", "Pull complete"]) {
    assert.equal(lines.filter((line) => new RegExp(`^[0-9a-f]{12}: ${status}$`).test(line)).length, 2, `${status} in ${lines.join("\n")}`);
  }
  assert.deepEqual(lines.slice(-2), [`Status: Downloaded newer image for ${at(repository)}:latest`, `${at(repository)}:latest`]);
  await cli.ok("rmi", at(repository));
});

story("an image of several platforms: this machine's, or the one that was asked for", async ({ cli }) => {
  const repository = fresh("multi");
  const own = await putImage(registry.host, repository, undefined, { layers: [shellLayer([{ path: "which", data: "own" }])] });
  const other = await putImage(registry.host, repository, undefined, { layers: [shellLayer([{ path: "which", data: "other" }])], architecture: otherArchitecture });
  const index = await putIndex(registry.host, repository, "1", [other, own]);
  assert.match(await cli.ok("pull", `${at(repository)}:1`), new RegExp(`^Digest: ${index.digest}$`, "m"));
  assert.equal(await cli.ok("run", "--rm", `${at(repository)}:1`, "sh", "-c", "cat /which"), "own");
  assert.equal(await cli.ok("inspect", "--type", "image", "-f", "{{.Architecture}}", `${at(repository)}:1`), hostArchitecture);
  await cli.ok("rmi", `${at(repository)}:1`);
  await cli.ok("pull", "-q", "--platform", `linux/${otherArchitecture}`, `${at(repository)}:1`);
  assert.equal(await cli.ok("inspect", "--type", "image", "-f", "{{.Architecture}}", `${at(repository)}:1`), otherArchitecture);
  await cli.ok("rmi", `${at(repository)}:1`);
  await cli.fails(1, /no matching manifest for linux\/riscv64 in the manifest list entries/, "pull", "--platform", "linux/riscv64", `${at(repository)}:1`);
  assert.equal(await cli.ok("images", "-q", at(repository)), "");
});

story("twenty layers, there and back", async ({ cli }) => {
  const [repository, second] = [fresh("deep"), fresh("deep")];
  const layers = [shellLayer(), ...Array.from({ length: 19 }, (_, n) => tar([{ path: `f${n}`, data: `${repository} ${n}` }]))];
  await putImage(registry.host, repository, "1", { layers });
  await cli.ok("pull", "-q", `${at(repository)}:1`);
  assert.equal(await cli.ok("run", "--rm", `${at(repository)}:1`, "sh", "-c", "cat /f0 /f18; echo /f* | wc -w"), `${repository} 0${repository} 1819`);
  await cli.ok("tag", `${at(repository)}:1`, `${at(second)}:2`);
  assert.equal(await cli.ok("push", "-q", `${at(second)}:2`), `${at(second)}:2`);
  await cli.ok("rmi", `${at(repository)}:1`, `${at(second)}:2`);
  await cli.ok("pull", "-q", `${at(second)}:2`);
  assert.equal(await cli.ok("run", "--rm", `${at(second)}:2`, "sh", "-c", "cat /f7"), `${repository} 7`);
  await cli.ok("rmi", `${at(second)}:2`);
});

story("what the other side has is not sent: layers are mounted from another repository, or there already", async ({ cli }) => {
  const [first, second] = [fresh("one"), fresh("two")];
  await cli.ok("tag", "busybox", `${at(first)}:1`);
  await cli.ok("push", "-q", `${at(first)}:1`);
  await cli.ok("tag", "busybox", `${at(second)}:1`);
  assert.match(await cli.ok("push", `${at(second)}:1`), /^[0-9a-f]{12}: Mounted from /m);
  assert.match(await cli.ok("push", `${at(second)}:1`), /^[0-9a-f]{12}: Layer already exists$/m);
  await cli.ok("rmi", `${at(first)}:1`, `${at(second)}:1`);
});

story("a second pull brings only the layer that changed", async ({ cli }) => {
  const repository = fresh("changed");
  const base = [shellLayer(), tar([{ path: "same", data: repository }])];
  await putImage(registry.host, repository, "1", { layers: [...base, tar([{ path: "v", data: `1${repository}` }])] });
  await putImage(registry.host, repository, "2", { layers: [...base, tar([{ path: "v", data: `2${repository}` }])] });
  await cli.ok("pull", "-q", `${at(repository)}:1`);
  registry.tap.forget();
  const pulled = await cli.ok("pull", `${at(repository)}:2`);
  assert.equal(pulled.match(/: Already exists$/gm)?.length, 2, pulled);
  assert.equal(pulled.match(/: Pull complete$/gm)?.length, 1, pulled);
  // The configuration and one layer.
  assert.equal(registry.tap.count("GET", /\/blobs\//), 2);
  assert.equal(await cli.ok("run", "--rm", `${at(repository)}:2`, "sh", "-c", "cat /v"), `2${repository}`);
  await cli.ok("rmi", `${at(repository)}:1`, `${at(repository)}:2`);
});

story("all tags of a repository, pulled and pushed", async ({ cli }) => {
  const [repository, second] = [fresh("tags"), fresh("tags")];
  for (const tag of ["a", "b", "c"]) await putImage(registry.host, repository, tag, { layers: [shellLayer([{ path: "tag", data: tag }])] });
  const pulled = await cli.ok("pull", "-a", at(repository));
  for (const tag of ["a", "b", "c"]) assert.match(pulled, new RegExp(`^${tag}: Pulling from ${repository}$`, "m"));
  assert.match(pulled, new RegExp(`Status: Downloaded newer image for ${at(repository)}\n${at(repository)}$`));
  const tags = async (name: string) => (await cli.ok("images", "--format", "{{.Tag}}", name)).split("\n").toSorted();
  assert.deepEqual(await tags(at(repository)), ["a", "b", "c"]);
  for (const tag of ["a", "b"]) await cli.ok("tag", `${at(repository)}:${tag}`, `${at(second)}:${tag}`);
  assert.deepEqual((await cli.ok("push", "-a", at(second))).match(/^[ab]: digest: /gm)?.toSorted(), ["a: digest: ", "b: digest: "]);
  await cli.fails(1, /^tag can't be used with --all-tags\/-a\n$/, "pull", "-a", `${at(repository)}:a`);
  await cli.fails(1, /^tag can't be used with --all-tags\/-a\n$/, "push", "-a", `${at(repository)}:a`);
  await cli.ok("rmi", ...["a", "b", "c"].map((tag) => `${at(repository)}:${tag}`), `${at(second)}:a`, `${at(second)}:b`);
});

story("run and create pull what is not here, and say so on standard error", async ({ cli }) => {
  const repository = fresh("absent");
  await putImage(registry.host, repository, "1", { layers: [shellLayer([{ path: "x", data: repository }])] });
  const result = await cli("run", "--rm", `${at(repository)}:1`, "sh", "-c", "cat /x");
  assert.deepEqual([result.code, result.stdout], [0, repository]);
  assert.match(result.stderr, new RegExp(`^Unable to find image '${at(repository)}:1' locally\n1: Pulling from ${repository}\n`));
  const again = await cli("run", "--rm", `${at(repository)}:1`, "sh", "-c", ":");
  assert.equal(again.stderr, "");
  await putImage(registry.host, repository, "1", { layers: [shellLayer([{ path: "x", data: "newer" }])] });
  assert.equal(await cli.ok("run", "--rm", "--pull", "always", "-q", `${at(repository)}:1`, "sh", "-c", "cat /x"), "newer");
  await cli.ok("rmi", `${at(repository)}:1`);
  await cli("image", "prune", "-f");
});

story("a tag that moved leaves the old image without a name", async ({ cli }) => {
  const repository = fresh("moved");
  await putImage(registry.host, repository, "1", { layers: [shellLayer([{ path: "x", data: `${repository} old` }])] });
  await cli.ok("pull", "-q", `${at(repository)}:1`);
  const old = await cli.ok("images", "-q", "--no-trunc", at(repository));
  await putImage(registry.host, repository, "1", { layers: [shellLayer([{ path: "x", data: `${repository} new` }])] });
  assert.match(await cli.ok("pull", `${at(repository)}:1`), /^Status: Downloaded newer image for /m);
  assert.equal(await cli.ok("run", "--rm", `${at(repository)}:1`, "sh", "-c", "cat /x"), `${repository} new`);
  assert.match(await cli.ok("images", "-q", "--no-trunc", "--filter", "dangling=true"), new RegExp(old));
  await cli.ok("rmi", old, `${at(repository)}:1`);
});

const wrong: readonly (readonly [what: string, message: RegExp, argv: () => string[]])[] = [
  ["an unknown tag", /manifest for .*:nope not found: manifest unknown/, () => ["pull", `${at("known")}:nope`]],
  ["an unknown repository", /manifest for .*nosuch-[0-9a-f]+:1 not found|repository .* not found/, () => ["pull", `${at(fresh("nosuch"))}:1`]],
  ["an unknown digest", /manifest for .*@sha256:0{64} not found: manifest unknown/, () => ["pull", `${at("known")}@sha256:${"0".repeat(64)}`]],
  ["a digest that is none", /invalid reference format|invalid checksum digest/, () => ["pull", `${at("known")}@sha256:123`]],
  ["a name that is none", /invalid reference format: repository name.*must be lowercase/, () => ["pull", `${registry.host}/Upper:1`]],
  ["a host that does not answer", /connection refused|ECONNREFUSED/, () => ["pull", "localhost:1/x:1"]],
  ["a push of what is not here", /tag does not exist: |An image does not exist locally with the tag: /, () => ["push", `${at("absent")}:1`]],
  ["a push of a digest", /^cannot push a digest reference\n$/, () => ["push", `${at("known")}@sha256:${"0".repeat(64)}`]],
  ["a platform that is none", /platform/, () => ["pull", "--platform", "linux/a/b/c", `${at("known")}:1`]],
];
for (const [what, message, argv] of wrong) {
  story(`wrong input: ${what}`, async ({ cli }) => {
    await putImage(registry.host, "known", "1");
    await cli.fails(1, message, ...argv());
    assert.equal(await cli.ok("images", "-q", at("known")), "");
  });
}

story("schema 1 is refused with a sentence", async ({ cli }) => {
  registry.tap.answer = ({ path }) => (/\/old\/manifests\//.test(path) ? { status: 200, headers: { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" }, body: '{"schemaVersion":1}' } : undefined);
  try {
    await cli.fails(1, /schema 1, which is not read any more/, "pull", `${at("old")}:1`);
  } finally {
    registry.tap.answer = undefined;
  }
}, { only: "gantry-engine" });

story("an image that lacks a layer: nothing is tagged, and the registry is named", async ({ cli }) => {
  const repository = fresh("lacks");
  await putImage(registry.host, repository, "1", { layers: [shellLayer([{ path: "x", data: repository }])] });
  registry.tap.answer = ({ method, path }) => (method === "GET" && new RegExp(`/${repository}/blobs/`).test(path) ? { status: 404, headers: {}, body: '{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}' } : undefined);
  try {
    await cli.fails(1, /blobs\/sha256:[0-9a-f]{64}: 404|unknown blob/, "pull", `${at(repository)}:1`);
  } finally {
    registry.tap.answer = undefined;
  }
  assert.equal(await cli.ok("images", "-q", at(repository)), "");
});

story("events tell of pull and push", async ({ cli }) => {
  const name = `${at(fresh("events"))}:1`;
  const since = String(Date.now() / 1000 - 1);
  await cli.ok("tag", "busybox", name);
  await cli.ok("push", "-q", name);
  await cli.ok("pull", "-q", name);
  const events = await cli.ok("events", "--since", since, "--until", String(Date.now() / 1000 + 1), "--filter", "type=image", "--format", "{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}");
  for (const action of ["push", "pull"]) assert.ok(events.split("\n").includes(`${action} ${name} ${name.slice(0, -2)}`), events);
  await cli.ok("rmi", name);
});

story("what a registry has of an index is seen without pulling it", async ({ engine }) => {
  const repository = fresh("seen");
  const own = await putImage(registry.host, repository, undefined);
  const index = await putIndex(registry.host, repository, "1", [own]);
  const { status, body } = await engine.api("GET", `/v1.41/distribution/${at(repository)}:1/json`);
  assert.equal(status, 200);
  const { Descriptor, Platforms } = body as { Descriptor: { digest: string; size: number }; Platforms: unknown };
  assert.deepEqual([Descriptor.digest, Descriptor.size, Platforms], [index.digest, index.size, [{ architecture: hostArchitecture, os: "linux" }]]);
  assert.notEqual((await engine.api("GET", `/v1.41/distribution/${at(repository)}:2/json`)).status, 200);
});

story("search: what a registry finds, as a table, by filters and templates", async ({ cli }) => {
  const results = [
    { name: "ann/box", description: "a box that is described with more words than there is room for in a table", star_count: 3, is_official: false, is_automated: false },
    { name: "box", description: "the box", star_count: 20, is_official: true, is_automated: false },
  ];
  registry.tap.answer = ({ path }) => (path.startsWith("/v1/search") ? { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ num_results: 2, query: "box", results }) } : undefined);
  try {
    assert.match(await cli.ok("search", at("box")), /^NAME +DESCRIPTION +STARS +OFFICIAL *\nann\/box +a box that is described with more words than…? +3 *\nbox +the box +20 +\[OK\] *$/);
    assert.equal(registry.tap.seen.filter(({ path }) => path.startsWith("/v1/search")).at(-1)?.path, "/v1/search?q=box&n=25");
    assert.equal(await cli.ok("search", "--format", "{{.Name}} {{.StarCount}}", "--limit", "1", "-f", "is-official=true", at("box")), "box 20");
    assert.equal(await cli.ok("search", "--format", "{{.Name}}", "-f", "stars=4", at("box")), "box");
    await cli.fails(1, /outside the range of \[1, 100\]/, "search", "--limit", "101", at("box"));
    await cli.fails(1, /invalid filter 'nope'/i, "search", "-f", "nope=1", at("box"));
  } finally {
    registry.tap.answer = undefined;
  }
});
