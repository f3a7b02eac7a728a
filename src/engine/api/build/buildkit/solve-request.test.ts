import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf } from "#base/errors.ts";
import { parseFields, parseList } from "./fields.ts";
import { type Solve, translate, type Translated } from "./solve-request.ts";

const solve = (attributes: Record<string, string>, more: Partial<Solve> = {}): Solve => ({
  ref: "r", frontend: "dockerfile.v0", attributes, exporters: [], entitlements: [], cacheImports: [], cacheExports: [], ...more,
});

/** What of the request is as these attributes say; the rest is not looked at. */
const cases: readonly (readonly [what: string, attributes: Record<string, string>, expected: Partial<Translated["request"]>])[] = [
  ["nothing", {}, { ref: "r", dockerfile: { path: "Dockerfile", separate: true }, context: "", target: "", noCache: false, pull: false, platforms: [], squash: "no", attestations: {} }],
  ["a Dockerfile of another name", { filename: "sub/F" }, { dockerfile: { path: "sub/F", separate: true } }],
  ["a remote context has its own Dockerfile", { context: "https://x/y.git#main:sub" }, { context: "https://x/y.git#main:sub", dockerfile: { path: "Dockerfile", separate: false } }],
  ["unless the client brings one", { context: "https://x/y.git", dockerfilekey: "dockerfile" }, { dockerfile: { path: "Dockerfile", separate: true } }],
  ["a folder that has the Dockerfile in it", { dockerfilekey: "context" }, { dockerfile: { path: "Dockerfile", separate: false } }],
  ["arguments", { "build-arg:A": "1", "build-arg:B=C": "", "build-arg:__proto__": "x" }, { buildArgs: JSON.parse('{"A":"1","B=C":"","__proto__":"x"}') as Record<string, string> }],
  ["labels", { "label:a": "b", "label:a.b/c": "" }, { labels: { a: "b", "a.b/c": "" } }],
  ["a hostname", { hostname: "h" }, { buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: "h" } }],
  ["platforms", { platform: "linux/amd64,linux/arm64/v8" }, { platforms: [{ os: "linux", architecture: "amd64" }, { os: "linux", architecture: "arm64" }] }],
  ["no cache", { "no-cache": "" }, { noCache: true }],
  ["no cache for some", { "no-cache": "a,b" }, { noCache: ["a", "b"] }],
  ["pull", { "image-resolve-mode": "pull" }, { pull: true }],
  ["what is here", { "image-resolve-mode": "local" }, { pull: false }],
  [
    "what every RUN gets",
    { "add-hosts": "a=1.2.3.4,b=::1", "force-network-mode": "none", "shm-size": "1048576", ulimit: "nofile=10:20,core=0", "cgroup-parent": "/x" },
    { run: { network: "none", extraHosts: ["a:1.2.3.4", "b:::1"], shmSize: 1048576, ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }, { Name: "core", Soft: 0, Hard: 0 }], cgroupParent: "/x", limits: {} } },
  ],
  ["contexts", { "context:a": "docker-image://busybox", "context:b": "local:b" }, { contexts: { a: "docker-image://busybox", b: "local:b" } }],
  ["another build", { "context:a": "input:other" }, { contexts: { a: "docker-image://sha256:1" } }],
  ["the main context in place of another", { "context:context": "https://x/y.git" }, { context: "https://x/y.git", contexts: {} }],
  ["what its history shows", { "build-arg:TOKEN": "x", "build-arg:BUILDKIT_BUILD_NAME": "n", "vcs:source": "https://ann:pw@git.example/x", "context:a": "docker-image://a", "context-name": "app" }, {
    said: { "build-arg:TOKEN": "", "build-arg:BUILDKIT_BUILD_NAME": "n", "vcs:source": "https://xxxxx:xxxxx@git.example/x", "context:a": "docker-image://a", "context-name": "app" },
  }],
  ["a question", { requestid: "frontend.lint" }, { only: "check" }],
  ["provenance that nobody asked for", { "attest:provenance": "mode=min,inline-only=true" }, { attestations: {} }],
  ["provenance", { "attest:provenance": "mode=max" }, { attestations: { provenance: { mode: "max" } } }],
  ["attestations on and off", { "attest:sbom": "generator=x/y:1", "attest:provenance": "disabled=true" }, { attestations: { sbom: { generator: "x/y:1" } } }],
  ["caches of older clients", { "cache-from": "a/b,c/d" }, { cacheFrom: [{ type: "registry", attributes: { ref: "a/b" } }, { type: "registry", attributes: { ref: "c/d" } }] }],
  ["caches", { "cache-imports": '[{"Type":"local","Attrs":{"src":"/x","digest":"sha256:1"}}]' }, { cacheFrom: [{ type: "local", attributes: { src: "/x", digest: "sha256:1" } }] }],
];

for (const [what, attributes, expected] of cases) {
  test(`${what}: ${JSON.stringify(attributes)}`, () => {
    const { request } = translate(solve(attributes, { inputs: { other: "docker-image://sha256:1" } }));
    for (const [key, value] of Object.entries(expected)) assert.deepEqual({ [key]: request[key as keyof typeof request] }, { [key]: value });
  });
}

test("outputs: an image of the engine's own is pushed, too", () => {
  const exporters = [{ type: "moby", attrs: { name: "a", push: "true" } }, { type: "image", attrs: { name: "b", push: "true" } }, { type: "tar", attrs: {} }];
  assert.deepEqual(translate(solve({}, { exporters })).request.exports, [
    { type: "image", attributes: { name: "a", push: "true" } },
    { type: "image", attributes: { name: "b", push: "true" } },
    { type: "tar", attributes: {} },
  ]);
});

test("folders as the client calls them, and whose session has them", () => {
  const { folders, sessions, upload } = translate(solve({ "context:context": "local:_context", "local-sessionid:_context": "s2", dockerfilekey: "df" }));
  assert.deepEqual({ folders, sessions, upload }, { folders: { context: "_context", dockerfile: "df" }, sessions: { _context: "s2" }, upload: undefined });
});

test("an archive of the client's is its context, and has the Dockerfile", () => {
  const { upload, request } = translate(solve({ context: "http://buildkit-session/abc123" }));
  assert.deepEqual([upload, request.context, request.dockerfile.separate], ["abc123", "", false]);
});

test("what means nothing is named", () => {
  assert.deepEqual(translate(solve({ filename: "x", "vcs:source": "y", "no-such": "z" })).unknown, ["no-such"]);
});

/** BLD-03: what is not known is refused, and never taken for what is. */
const refused: readonly (readonly [what: string, Partial<Solve>, RegExp])[] = [
  ["a network", { attributes: { "force-network-mode": "insecure" } }, /invalid network mode "insecure"/],
  ["a network by number", { attributes: { "force-network-mode": "1" } }, /invalid network mode/],
  ["an entitlement", { entitlements: ["security.everything"] }, /invalid entitlement/],
  ["an entitlement by number", { entitlements: ["99"] }, /invalid entitlement/],
  ["a frontend", { frontend: "x" }, /unknown frontend/],
  ["no frontend", { frontend: "" }, /unknown frontend/],
  ["a frontend in an image", { frontend: "gateway.v0", attributes: { source: "evil/frontend" } }, /frontends in images are not run/],
  ["an output", { exporters: [{ type: "ftp", attrs: {} }] }, /exporter "ftp" could not be found/],
  ["a cache", { cacheExports: [{ type: "s3", attrs: {} }] }, /unknown cache exporter: "s3"/],
  ["a question", { attributes: { requestid: "frontend.nope" } }, /unsupported request frontend.nope/],
  ["an attestation", { attributes: { "attest:x": "" } }, /attestation type "x"/],
  ["a limit", { attributes: { ulimit: "nofile=x" } }, /invalid ulimit/],
  ["a size", { attributes: { "shm-size": "-1" } }, /invalid shm-size/],
  ["a host", { attributes: { "add-hosts": "a" } }, /invalid key-value pair/],
  ["a platform", { attributes: { platform: "a b" } }, /invalid platform/],
  ["an input that is not there", { attributes: { "context:a": "input:nope" } }, /there is no input "nope"/],
  ["caches that are no list", { attributes: { "cache-imports": "{}" } }, /a list was expected/],
];
for (const [what, change, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => translate(solve({}, change)), (error: Error) => ["invalid", "not-found", "not-implemented"].includes(kindOf(error)) && message.test(error.message));
  });
}

test("lists are lines of CSV", () => {
  for (const [line, fields] of [["", []], ["a", ["a"]], ["a,b", ["a", "b"]], ["a,,b,", ["a", "", "b", ""]], ['"a,b",c', ["a,b", "c"]], ['"a""b"', ['a"b']], ["a=b=c", ["a=b=c"]]] as const) assert.deepEqual(parseList(line), fields);
  assert.deepEqual(parseFields("a=1,b,c=x=y"), { a: "1", b: "", c: "x=y" });
  for (const line of ['"a', '"a"b', 'a"b']) assert.throws(() => parseList(line), /^Failure: parse error on line 1, column \d+: /);
});
