/** Lists of manifests: put together, annotated, pushed and read back, by either client. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { onPath } from "../packages.ts";
import { peer, stories } from "./harness.ts";
import { openClient } from "./harness/client.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";
import { otherArchitecture, putImage, shellLayer } from "./harness/registry-content.ts";

const { story } = stories("manifest lists");

let registry: Registry;
before(async () => {
  registry = await openRegistry();
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
});

const ours = { only: "gantry", skip: peer === "dockerd" && "it asks our engine" } as const;

/** Two repositories with an image each. */
async function twoImages(): Promise<{ one: string; two: string; list: string }> {
  const tag = randomBytes(4).toString("hex");
  for (const name of ["one", "two"]) await putImage(registry.host, `${name}-${tag}`, "1", { layers: [shellLayer([{ path: "which", data: name }])] });
  return { one: `${registry.host}/one-${tag}:1`, two: `${registry.host}/two-${tag}:1`, list: `${registry.host}/list-${tag}:1` };
}

story("create, annotate, push, inspect, pull: the list is what it says, and images stay what they were", async ({ cli, engine }) => {
  const { one, two, list } = await twoImages();
  assert.equal(await cli.ok("manifest", "create", list, one, two), `Created manifest list ${list}`);
  await cli.fails(1, /^refusing to amend an existing manifest list with no --amend flag\n$/, "manifest", "create", list, one);
  await cli.ok("manifest", "annotate", "--arch", otherArchitecture, "--variant", "v8", "--os-features", "a,b", list, two);
  await cli.fails(1, /unsupported os\/arch combination/, "manifest", "annotate", "--arch", "nosuch", list, two);
  const local = JSON.parse(await cli.ok("manifest", "inspect", list)) as { manifests: { digest: string; platform: object }[] };
  assert.deepEqual(local.manifests[1]!.platform, { architecture: otherArchitecture, os: "linux", "os.features": ["a", "b"], variant: "v8" });
  const pushed = (await cli.ok("manifest", "push", "-p", list)).split("\n");
  assert.equal(pushed.length, 3);
  for (const { digest } of local.manifests) assert.ok(pushed.some((line) => line === `Pushed ref ${list.slice(0, -2)}@${digest} with digest: ${digest}`), pushed.join("\n"));
  assert.ok(!existsSync(join(engine.place.folder, "config/manifests", list.replaceAll(":", "-").replaceAll("/", "_"))), "purged");
  assert.deepEqual(JSON.parse(await cli.ok("manifest", "inspect", list)), local, "from the registry, the same");
  const each = JSON.parse(await cli.ok("manifest", "inspect", "-v", list)) as { Ref: string; Descriptor: { digest: string } }[];
  assert.deepEqual(each.map(({ Ref, Descriptor }) => [Ref, Descriptor.digest]), local.manifests.map(({ digest }) => [`${list}@${digest}`, digest]));
  await cli.ok("pull", "-q", list);
  assert.equal(await cli.ok("inspect", "--type", "image", "-f", "{{.Id}}", list), pushed.at(-1));
  await cli.ok("rmi", list);
  await cli.fails(1, /is a manifest list/, "manifest", "create", `${list}x`, list);
  await cli.fails(1, /^no such manifest: /, "manifest", "inspect", `${one}x`);
  await cli.fails(1, /^No such manifest: /, "manifest", "rm", list);
}, ours);

story("one client goes on where the other left off", async ({ cli, engine }) => {
  const docker = openClient("docker", engine);
  const { one, two, list } = await twoImages();
  await cli.ok("manifest", "create", list, one);
  await docker.ok("manifest", "create", "--insecure", "--amend", list, two);
  await docker.ok("manifest", "annotate", "--arch", otherArchitecture, list, two);
  const shown = await cli.ok("manifest", "inspect", list);
  assert.equal(await docker.ok("manifest", "inspect", list), shown);
  assert.equal(await docker.ok("manifest", "inspect", "-v", list), await cli.ok("manifest", "inspect", "-v", list));
  const digest = (await cli.ok("manifest", "push", list)).split("\n").at(-1);
  assert.equal((await docker.ok("manifest", "push", "--insecure", "-p", list)).split("\n").at(-1), digest, "byte for byte the same index");
  assert.equal(await docker.ok("manifest", "inspect", "--insecure", list), shown);
}, { only: "gantry", skip: (peer === "dockerd" && "it asks our engine") || (!onPath("docker") && "the official client is not here") });
