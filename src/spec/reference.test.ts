import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { canonical, familiar, familiarRepository, parseReference, withDefaultTag } from "./reference.ts";

const D = `sha256:${"a".repeat(64)}`;

/** What is typed, its canonical name, and how people write it. */
const table: [string, string, string][] = [
  ["busybox", "docker.io/library/busybox:latest", "busybox:latest"],
  ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
  ["library/busybox", "docker.io/library/busybox:latest", "busybox:latest"],
  ["docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"],
  ["index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"],
  ["index.docker.io/library/busybox:x", "docker.io/library/busybox:x", "busybox:x"],
  ["docker.io/library/foo/bar", "docker.io/library/foo/bar:latest", "library/foo/bar:latest"],
  ["foo/bar", "docker.io/foo/bar:latest", "foo/bar:latest"],
  ["foo/bar/baz", "docker.io/foo/bar/baz:latest", "foo/bar/baz:latest"],
  ["localhost/x", "localhost/x:latest", "localhost/x:latest"],
  ["localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"],
  ["example.com/x", "example.com/x:latest", "example.com/x:latest"],
  ["host:80/a/b:c", "host:80/a/b:c", "host:80/a/b:c"],
  ["[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"],
  ["127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"],
  ["Uppercase/x", "Uppercase/x:latest", "Uppercase/x:latest"],
  ["a__b", "docker.io/library/a__b:latest", "a__b:latest"],
  ["a--b/c.d_e", "docker.io/a--b/c.d_e:latest", "a--b/c.d_e:latest"],
  ["x:Tag_1.-2", "docker.io/library/x:Tag_1.-2", "x:Tag_1.-2"],
  [`x:${"t".repeat(128)}`, `docker.io/library/x:${"t".repeat(128)}`, `x:${"t".repeat(128)}`],
  [`busybox@${D}`, `docker.io/library/busybox@${D}`, `busybox@${D}`],
  [`busybox:1@${D}`, `docker.io/library/busybox:1@${D}`, `busybox:1@${D}`],
  ["1234", "docker.io/library/1234:latest", "1234:latest"],
  ["a".repeat(63), `docker.io/library/${"a".repeat(63)}:latest`, `${"a".repeat(63)}:latest`],
  ["sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"],
];

for (const [text, full, short] of table) {
  test(`${text.slice(0, 60)} is ${full.slice(0, 60)}`, () => {
    const reference = withDefaultTag(parseReference(text));
    assert.equal(canonical(reference), full);
    assert.equal(familiar(reference), short);
    assert.deepEqual(parseReference(canonical(reference)), reference);
    assert.deepEqual(withDefaultTag(parseReference(familiar(reference))), reference);
  });
}

const refused: [string, RegExp][] = [
  ["", /^invalid reference format$/],
  [":tag", /^invalid reference format$/],
  ["@" + D, /^invalid reference format$/],
  ["Busybox", /repository name \(library\/Busybox\) must be lowercase/],
  ["foo/Bar", /repository name \(foo\/Bar\) must be lowercase/],
  ["x:", /^invalid reference format$/],
  ["x:-tag", /^invalid reference format$/],
  ["x:.tag", /^invalid reference format$/],
  [`x:${"t".repeat(129)}`, /^invalid reference format$/],
  ["x y", /^invalid reference format$/],
  ["x\n", /^invalid reference format$/],
  ["-x", /^invalid reference format$/],
  ["x-", /^invalid reference format$/],
  ["a___b", /^invalid reference format$/],
  ["a..b", /^invalid reference format$/],
  ["a//b", /^invalid reference format$/],
  ["/a", /^invalid reference format$/],
  ["a/", /^invalid reference format$/],
  ["../a", /^invalid reference format$/],
  ["http://example.com/x", /^invalid reference format$/],
  ["example.com:port/x", /^invalid reference format$/],
  ["-bad.com/x", /^invalid reference format$/],
  ["a".repeat(64), /cannot specify 64-byte hexadecimal strings/],
  [`${"x".repeat(250)}/yyy`, /must not be more than 255 characters/],
  ["x@sha256:abc", /^invalid reference format$/],
  [`x@sha256:${"a".repeat(63)}`, /^invalid checksum digest length$/],
  [`x@sha256:${"A".repeat(64)}`, /^invalid checksum digest format$/],
  [`x@md5:${"a".repeat(32)}`, /^unsupported digest algorithm$/],
  [`x@sha256:../../${"a".repeat(58)}`, /^invalid reference format$/],
  [`x@${D}@${D}`, /^invalid reference format$/],
];

for (const [text, message] of refused) {
  test(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(() => parseReference(text), (error) => error instanceof Failure && error.kind === "invalid" && message.test(error.message));
  });
}

test("a long name is refused quickly", () => {
  for (const text of ["a".repeat(1e6), "a-".repeat(5e5), "a/".repeat(5e5), "a.".repeat(5e5) + "/x", "_".repeat(1e6)]) {
    assert.throws(() => parseReference(text), Failure);
  }
});

test("the repository alone", () => assert.equal(familiarRepository(parseReference("docker.io/library/busybox:1")), "busybox"));
