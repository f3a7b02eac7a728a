/** `images --tree`, `system df` and prunes print what the official client prints of the same answers. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { noDocker, normalized, openRecorder, runLine } from "./harness/compare.ts";

const folder = mkdtempSync("/tmp/disk-rows-");
const host = `unix://${folder}/s`;
const now = Math.floor(Date.now() / 1000);
const at = (seconds: number) => new Date((now - seconds) * 1000).toISOString();
const id = (digit: string) => `sha256:${digit.repeat(64)}`;

const manifest = (digit: string, architecture: string, available: boolean, used: boolean, variant?: string) => ({
  ID: id(digit),
  Descriptor: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: id(digit), size: 100 },
  Available: available,
  Size: { Content: 1_234_567, Total: 7_654_321 },
  Kind: "image",
  ImageData: { Platform: { os: "linux", architecture, ...(variant && { variant }) }, Containers: used ? ["x"] : [], Size: { Unpacked: 100 } },
});
const attestation = { ID: id("3"), Descriptor: { mediaType: "x", digest: id("3"), size: 3 }, Available: true, Size: { Content: 5, Total: 5 }, Kind: "attestation", AttestationData: { For: id("1") } };

const images = [
  { Id: id("a"), RepoTags: ["multi:latest", "a:b", "a/very/long/name/with/many/parts/that/is/wide:1.2.3"], RepoDigests: [], Created: now - 1_000_000, Size: 123_456_789, SharedSize: 23_456_789, Containers: 0, Labels: null, ParentId: "", Manifests: [manifest("1", "amd64", true, true), manifest("2", "arm", false, false, "v7"), attestation] },
  { Id: id("b"), RepoTags: [], RepoDigests: [], Created: now - 900_000, Size: 12_345, SharedSize: 0, Containers: 0, Labels: null, ParentId: "", Manifests: [manifest("5", "amd64", true, false)] },
  { Id: id("c"), RepoTags: ["one:1"], RepoDigests: [`one@${id("c")}`], Created: now - 60, Size: 999, SharedSize: -1, Containers: 2, Labels: null, ParentId: "", Manifests: [manifest("c", "s390x", true, false)] },
];
const container = (digit: string, state: string, rw: number) => ({
  Id: digit.repeat(64), Names: [`/c${digit}`], Image: "one:1", ImageID: id("c"), Command: "sh", Created: now - 100, Ports: [], SizeRw: rw, SizeRootFs: rw + 999, Labels: {}, State: state, Status: state,
  HostConfig: {}, NetworkSettings: { Networks: {} }, Mounts: [{ Type: "volume", Name: "v", Source: "", Destination: "/x", Driver: "local" }],
});
const df = {
  LayersSize: 123_456_789,
  Images: images,
  Containers: [container("1", "running", 12_345), container("2", "exited", 678_900), container("3", "paused", 0)],
  Volumes: [
    { CreatedAt: "2026-01-01T00:00:00Z", Driver: "local", Labels: null, Mountpoint: "/v", Name: "used", Options: null, Scope: "local", UsageData: { RefCount: 1, Size: 1_234_567 } },
    { CreatedAt: "2026-01-01T00:00:00Z", Driver: "local", Labels: { a: "b" }, Mountpoint: "/w", Name: "spare", Options: null, Scope: "local", UsageData: { RefCount: 0, Size: 4321 } },
  ],
  BuildCache: [
    { ID: "aaaabbbbccccddddeeeeffffg", Parents: ["x", "y"], Type: "regular", Description: "mount / from exec /bin/sh", InUse: false, Shared: true, Size: 1_234_567, CreatedAt: at(100_000), LastUsedAt: at(4000), UsageCount: 3 },
    { ID: "bbbbbbbbccccddddeeeeffffg", Type: "source.local", Description: "local source", InUse: true, Shared: false, Size: 4321, CreatedAt: at(200_000), LastUsedAt: null, UsageCount: 0 },
    { ID: "ccccbbbbccccddddeeeeffffg", Type: "exec.cachemount", Description: "cached mount", InUse: false, Shared: false, Size: 0, CreatedAt: at(60), LastUsedAt: at(50_000), UsageCount: 1 },
  ],
};

const lines = [
  "@ images --tree",
  "@ images --tree -a",
  "@ images --tree --filter label=x",
  "@ images --tree -q",
  "@ images --tree --no-trunc",
  "@ images --tree --format json",
  "@ image ls --tree one",
  "@ system df",
  "@ system df --format json",
  "@ system df --format raw",
  "@ system df --format '{{.Type}}: {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'",
  "@ system df --format 'table {{.Type}}\\t{{.Active}}'",
  "@ system df --format '{{.Nope}}'",
  "@ system df -v",
  "@ system df -v --format table",
  "@ system df -v --format json",
  "@ system df -v --format '{{range .Images}}{{.ID}} {{.Repository}} {{.SharedSize}}|{{end}}'",
  "@ system df -v --format '{{json .Volumes}}'",
  "@ system df -v --format '{{range .BuildCache}}{{.ID}} {{.Size}} {{.UsageCount}} {{.LastUsedSince}}|{{end}}'",
  "@ system df x",
  "@ system prune -f",
  "@ system prune -af --volumes",
  "@ system prune --volumes --filter until=1h",
  "echo n | @ system prune",
  "echo n | @ system prune -a --volumes --filter label=x --filter label!=y",
  "echo n | @ image prune -a",
  "@ image prune -f",
  "@ container prune -f",
  "@ manifest rm nosuch",
  "@ manifest push nosuch",
  "@ manifest annotate x y",
  "@ manifest annotate x",
  "@ manifest create x",
  "@ manifest inspect a b",
  "@ manifest inspect UPPER:1",
  "@ load -i /nosuch",
  "@ save",
  "@ rmi",
];

let recorder: Awaited<ReturnType<typeof openRecorder>>;
before(async () => {
  recorder = await openRecorder(`${folder}/s`, {
    "/images/json": images,
    "/system/df": df,
    "/containers/prune": { ContainersDeleted: ["1".repeat(64)], SpaceReclaimed: 1234 },
    "/images/prune": { ImagesDeleted: [{ Untagged: "x:1" }, { Deleted: id("9") }], SpaceReclaimed: 4_321_000 },
    "/networks/prune": { NetworksDeleted: null },
    "/volumes/prune": { VolumesDeleted: ["v"], SpaceReclaimed: 0 },
    "/build/prune": { CachesDeleted: null, SpaceReclaimed: 0 },
  });
});
after(async () => {
  await recorder?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

for (const line of lines) {
  test(line.replaceAll("@", "gantry"), { skip: noDocker ?? false }, async () => {
    const place = { host, cwd: folder, config: folder };
    assert.deepEqual(plain(await runLine("gantry", line, place)), plain(await runLine("docker", line, place)));
  });
}

/** Docker paints headings without a terminal, too; and prunes kinds in an order of chance. */
function plain(printed: Awaited<ReturnType<typeof runLine>>) {
  const { code, stdout, stderr } = normalized(printed);
  const text = stdout.replace(/\x1b\[[\d;]*m/g, "");
  return { code, stderr, stdout: /^Deleted /.test(text) ? text.split("\n").toSorted() : text };
}
