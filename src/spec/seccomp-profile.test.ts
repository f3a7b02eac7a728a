import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_PROFILE } from "./seccomp-default.ts";
import { parseProfile, resolveProfile, type Profile, type ProfileHost } from "./seccomp-profile.ts";

const host: ProfileHost = { arch: "x86_64", kernel: [5, 10], capabilities: ["CAP_CHOWN", "CAP_SYS_ADMIN"] };
const names = (profile: Profile, of = host) => (resolveProfile(profile, of)?.syscalls ?? []).flatMap((rule) => rule.names);

test("rules apply by architecture, capabilities and kernel", () => {
  const rule = (name: string, more: object) => ({ names: [name], action: "SCMP_ACT_ALLOW" as const, ...more });
  const profile: Profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      rule("always", {}),
      rule("here", { includes: { arches: ["amd64"] } }),
      rule("elsewhere", { includes: { arches: ["arm64"] } }),
      rule("notHere", { excludes: { arches: ["amd64", "x32"] } }),
      rule("one", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("both", { includes: { caps: ["CAP_SYS_ADMIN", "CAP_CHOWN"] } }),
      rule("notBoth", { includes: { caps: ["CAP_SYS_ADMIN", "CAP_BPF"] } }),
      rule("without", { excludes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("old", { includes: { minKernel: "4.8" } }),
      rule("exact", { includes: { minKernel: "5.10" } }),
      rule("newer", { includes: { minKernel: "5.11" } }),
      rule("notOld", { excludes: { minKernel: "4.8" } }),
      { name: "single", action: "SCMP_ACT_ALLOW" },
    ],
  };
  assert.deepEqual(names(profile), ["always", "here", "one", "both", "old", "exact", "single"]);
});

test("architectures come from the map, or as they are listed", () => {
  assert.deepEqual(resolveProfile(DEFAULT_PROFILE, host)?.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  assert.deepEqual(resolveProfile(DEFAULT_PROFILE, { ...host, arch: "aarch64" })?.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
  assert.deepEqual(resolveProfile({ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"] }, host)?.architectures, ["SCMP_ARCH_X86_64"]);
});

test("the same question has the same value as its answer", () => {
  assert.equal(resolveProfile(DEFAULT_PROFILE, host), resolveProfile(DEFAULT_PROFILE, { ...host, capabilities: ["CAP_SYS_ADMIN", "CAP_CHOWN"] }));
  assert.notEqual(resolveProfile(DEFAULT_PROFILE, host), resolveProfile(DEFAULT_PROFILE, { ...host, capabilities: [] }));
});

test("a profile that says nothing is no filter", () => {
  assert.equal(resolveProfile(parseProfile("{}"), host), undefined);
});

test("what is no profile is refused, with Docker's words first", () => {
  const table: [string, RegExp][] = [
    ["", /Unexpected end/],
    ["[]", /not an object/],
    ['{"defaultAction":1}', /defaultAction is not a text/],
    ['{"syscalls":{}}', /lists of objects/],
    ['{"syscalls":[{"name":"a","names":["b"],"action":"x"}]}', /either 'name' or 'names'/],
    ['{"syscalls":[{"names":["a"]}]}', /has no action/],
    ['{"syscalls":[{"names":["a"],"action":"x","args":[{"index":-1,"value":1,"op":"y"}]}]}', /args of a rule/],
    ['{"syscalls":[{"names":["a"],"action":"x","args":[{"index":0,"value":"1","op":"y"}]}]}', /args of a rule/],
    ['{"syscalls":[{"names":["a"],"action":"x","includes":{"minKernel":"four"}}]}', /minKernel/],
    ['{"architectures":["a"],"archMap":[{"architecture":"b"}]}', /either 'architectures' or 'archMap'/],
  ];
  for (const [text, message] of table) {
    assert.throws(() => parseProfile(text), /^Failure: Decoding seccomp profile failed: /, text);
    assert.throws(() => parseProfile(text), message, text);
  }
});

test("Docker's own document is read: comments, nulls and all", () => {
  const text = '{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":null}],"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":null,"comment":"","includes":{},"excludes":{}}]}';
  assert.deepEqual(resolveProfile(parseProfile(text), host), {
    defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1, architectures: ["SCMP_ARCH_X86_64"], syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }],
  });
});
