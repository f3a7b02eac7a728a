import assert from "node:assert/strict";
import { test } from "node:test";
import { type MountRequest, parseMount } from "./mounts.ts";

const good: [string, MountRequest][] = [
  ["type=bind,src=/a,dst=/b,idmap", { Type: "bind", Source: "/a", Target: "/b", BindOptions: { IDMapping: "match-user" } }],
  ["type=bind,src=/a,dst=/b,bind-create-src", { Type: "bind", Source: "/a", Target: "/b", BindOptions: { CreateMountpoint: true } }],
  ["type=image,src=busybox,dst=/b,image-subpath=bin", { Type: "image", Source: "busybox", Target: "/b", ImageOptions: { Subpath: "bin" } }],
  ["src=v,dst=/b,volume-subpath=a/b", { Type: "volume", Source: "v", Target: "/b", VolumeOptions: { DriverConfig: {}, Subpath: "a/b" } }],
  ["src=v,dst=/b,volume-opt=type=tmpfs,volume-opt=o=size=1", { Type: "volume", Source: "v", Target: "/b", VolumeOptions: { DriverConfig: { Options: { type: "tmpfs", o: "size=1" } } } }],
];
for (const [text, expected] of good) test(`--mount ${text}`, () => assert.deepEqual(parseMount(text), expected));

const bad: [string, RegExp][] = [
  ["type=bind,src=/a,dst=/b,idmap=other", /^invalid value for idmap: other$/],
  ["type=volume,src=a,dst=/b,idmap", /^cannot mix 'bind-\*' options with mount type 'volume'$/],
  ["type=bind,src=/a,dst=/b,image-subpath=x", /^cannot mix 'image-\*' options with mount type 'bind'$/],
];
for (const [text, message] of bad) test(`--mount ${text} is refused`, () => assert.throws(() => parseMount(text), { message }));
