import assert from "node:assert/strict";
import { test } from "node:test";
import { goMode } from "../api/files/go-mode.ts";
import { commitConfig } from "./commit-config.ts";
import { parsePath } from "./paths.ts";

const table: [given: string, directory: string, base: string, name: string][] = [
  ["/etc/hosts", "/etc/", "hosts", "hosts"],
  ["etc", "/", "etc", "etc"],
  ["/etc/", "/etc/", ".", "etc"],
  ["/etc/.", "/etc/", ".", "."],
  ["/", "/", ".", "/"],
  [".", "/", ".", "."],
  ["/a/../../b//c", "/b/", "c", "c"],
  ["../../../etc/passwd", "/etc/", "passwd", "passwd"],
];
for (const [given, directory, base, name] of table) {
  test(`the path ${given}`, () => {
    const found = parsePath(given);
    assert.deepEqual({ directory: found.directory, base: found.base, name: found.name }, { directory, base, name });
  });
}

test("a path with a NUL byte is none", () => assert.throws(() => parsePath("/a\0b"), { kind: "invalid" }));

test("modes are Go's", () => {
  assert.equal(goMode(0o100644), 0o644);
  assert.equal(goMode(0o040755), 2147484141);
  assert.equal(goMode(0o120777), 134218239);
  assert.equal(goMode(0o104755), 0o755 + 2 ** 23);
  assert.equal(goMode(0o041777), 2 ** 31 + 2 ** 20 + 0o777);
  assert.equal(goMode(0o020666), 2 ** 26 + 2 ** 21 + 0o666);
});

const container = {
  Hostname: "h", Domainname: "", User: "1", AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: true, OpenStdin: true, StdinOnce: false,
  Env: ["A=1", "B=2"], Cmd: ["run"], Entrypoint: ["entry"], Image: "i", WorkingDir: "/w", Labels: { l: "1" }, ExposedPorts: { "80/tcp": {} }, Volumes: {},
} as Parameters<typeof commitConfig>[0];

test("an image says what its containers are, not what this one was", () => {
  assert.deepEqual(commitConfig(container, undefined, ["ENV C=3", "LABEL m=2"]), {
    User: "1", ExposedPorts: { "80/tcp": {} }, Env: ["A=1", "B=2", "C=3"], Entrypoint: ["entry"], Cmd: ["run"], WorkingDir: "/w", Labels: { l: "1", m: "2" },
  });
});

test("what the request says goes before, lists are joined", () => {
  assert.deepEqual(commitConfig(container, { Env: ["A=x"], Cmd: ["other"], Labels: { n: "3" } }, ["ENV Y=2"]), {
    User: "1", ExposedPorts: { "80/tcp": {} }, Env: ["A=x", "Y=2", "B=2"], Entrypoint: ["entry"], Cmd: ["other"], WorkingDir: "/w", Labels: { l: "1", n: "3" },
  });
});
