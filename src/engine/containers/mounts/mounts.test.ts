import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import type { HostConfig, Mount } from "#spec/docker.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";
import { planMounts } from "./mounts.ts";

type Asked = { Binds?: string[]; Mounts?: Partial<Mount>[]; VolumesFrom?: string[]; Tmpfs?: Record<string, string> };

function plan(asked: Asked, options: { volumes?: string[]; others?: Record<string, MountPoint[]> } = {}) {
  const mounts = (asked.Mounts ?? []).map((one) => ({ Source: "", ReadOnly: false, ...one }));
  const hostConfig = { Binds: asked.Binds ?? null, Mounts: mounts, VolumesFrom: asked.VolumesFrom ?? null, Tmpfs: asked.Tmpfs ?? {} } as unknown as HostConfig;
  const volumes = Object.fromEntries((options.volumes ?? []).map((path) => [path, {}]));
  const find = (ref: string) => {
    const found = options.others?.[ref];
    if (found === undefined) throw fail("not-found", `No such container: ${ref}`);
    return { mounts: found } as unknown as ContainerRecord;
  };
  return planMounts({ hostConfig, volumes, root: "/r", find });
}

test("a volume of the image is anonymous, unless something is mounted there", () => {
  const [one, ...rest] = plan({}, { volumes: ["/data/"] });
  assert.deepEqual(rest, []);
  assert.match(one!.Name!, /^[0-9a-f]{64}$/);
  assert.deepEqual({ ...one, Name: "" }, { Type: "volume", Name: "", Source: `/r/${one!.Name}/_data`, Destination: "/data", Driver: "local", Mode: "", RW: true, Propagation: "", Anonymous: true, copyUp: true, wanted: { name: one!.Name, anonymous: true } });
  assert.deepEqual(plan({ Binds: ["/h:/data"] }, { volumes: ["/data"] }).map(({ Type, Source }) => [Type, Source]), [["bind", "/h"]]);
  assert.deepEqual(plan({ Tmpfs: { "/data": "" } }, { volumes: ["/data"] }), []);
});

test("parts of volumes, images, mapped owners", () => {
  const [part, image, bind, short] = plan({
    Binds: ["/h:/s:U"],
    Mounts: [
      { Type: "volume", Source: "nn", Target: "/p", ReadOnly: false, VolumeOptions: { Subpath: "a/b" } },
      { Type: "image", Source: "bb", Target: "/i", ReadOnly: false, ImageOptions: { Subpath: "bin" } },
      { Type: "bind", Source: "/h", Target: "/b", ReadOnly: false, BindOptions: { IDMapping: "match-user" } },
    ],
  }).toSorted((a, b) => ["/p", "/i", "/b", "/s"].indexOf(a.Destination) - ["/p", "/i", "/b", "/s"].indexOf(b.Destination));
  assert.deepEqual([part!.SubPath, part!.copyUp, part!.Source], ["a/b", false, "/r/nn/_data"], "nothing is filled by a part");
  assert.deepEqual([image!.Type, image!.Source, image!.SubPath, image!.RW], ["image", "bb", "bin", false]);
  assert.deepEqual([bind!.IdMap, short!.IdMap], [true, true]);
});

test("a named volume is not anonymous; nocopy leaves it empty; --mount says the same in other words", () => {
  const [a, b, c, d] = plan({ Binds: ["nn:/a", "nn:/b:ro,nocopy"], Mounts: [{ Type: "volume", Source: "mm", Target: "/c", VolumeOptions: { NoCopy: true, Labels: { x: "y" } } }, { Type: "volume", Target: "/d" }] });
  assert.deepEqual([a!.Name, a!.Mode, a!.RW, a!.Anonymous, a!.copyUp], ["nn", "z", true, undefined, true]);
  assert.deepEqual([b!.Mode, b!.RW, b!.copyUp], ["ro,nocopy", false, false]);
  assert.deepEqual([c!.Name, c!.copyUp, c!.wanted?.labels], ["mm", false, { x: "y" }]);
  assert.deepEqual([d!.Anonymous, d!.Destination], [true, "/d"]);
});

test("binds and tmpfs", () => {
  const [a, b, c] = plan({ Binds: ["/h:/a:ro"], Mounts: [{ Type: "bind", Source: "/h/", Target: "/b", ReadOnly: true, BindOptions: { Propagation: "rslave" } }, { Type: "tmpfs", Target: "/c" }] });
  assert.deepEqual(a, { Type: "bind", Source: "/h", Destination: "/a", Mode: "ro", RW: false, Propagation: "rprivate", copyUp: false });
  assert.deepEqual(b, { Type: "bind", Source: "/h", Destination: "/b", Mode: "", RW: false, Propagation: "rslave", copyUp: false });
  assert.deepEqual(c, { Type: "tmpfs", Source: "", Destination: "/c", Mode: "", RW: true, Propagation: "", copyUp: false });
});

test("a place is mounted once", () => {
  assert.throws(() => plan({ Binds: ["/h:/a", "nn:/a/"] }), { kind: "invalid", message: "Duplicate mount point: /a" });
  assert.throws(() => plan({ Binds: ["/h:/a"], Mounts: [{ Type: "tmpfs", Target: "/a/." }] }), { message: "Duplicate mount point: /a" });
});

test("another container's mounts are taken over, and own ones win", () => {
  const other: MountPoint[] = plan({ Binds: ["nn:/n", "/h:/h:ro"] }, { volumes: ["/v"] }).map(({ copyUp: _, ...point }) => point);
  const all = plan({ VolumesFrom: ["c:ro"], Binds: ["/own:/h"] }, { others: { c: other } });
  assert.deepEqual(all.map(({ Destination, Type, RW, Source }) => [Destination, Type, RW, Source]), [["/n", "volume", false, "/r/nn/_data"], ["/h", "bind", true, "/own"], ["/v", "volume", false, other[2]!.Source]]);
  assert.equal(all[2]!.Anonymous, undefined, "the volume belongs to the other one");
  assert.throws(() => plan({ VolumesFrom: ["nobody"] }), { kind: "not-found" });
});
