/** What is wrong with a Dockerfile once it means something: the words are Docker's, and the lines are said. Anyone can add a case. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { plan, type Wish } from "./plan-fixture.ts";

type Case = { text: string; wish?: Wish; message: string | RegExp; lines?: readonly [number, number] };

const FROM = "FROM busybox\n";
const mount = (text: string, message: string): Case => ({ text: `${FROM}RUN --mount=${text} x`, message, lines: [2, 2] });

const CASES: readonly Case[] = [
  { text: FROM, wish: { target: "nope" }, message: 'target stage "nope" could not be found' },
  { text: "FROM busybox AS build\nFROM build", wish: { target: "buidl" }, message: 'target stage "buidl" could not be found (did you mean build?)' },
  { text: "FROM busybox AS a", wish: { target: "b" }, message: 'target stage "b" could not be found (did you mean a?)' },
  { text: "FROM busybox AS a\nCOPY --from=b /x /x\nFROM busybox AS b\nCOPY --from=a /x /x\n", message: "circular dependency detected on stage: a", lines: [4, 4] },
  { text: "FROM busybox AS a\nCOPY --from=a /x /x", message: "circular dependency detected on stage: a", lines: [2, 2] },
  { text: "FROM busybox AS a\nCOPY --from=b /x /x\nFROM busybox AS b\nFROM a", message: 'cannot copy from stage "b", it needs to be defined before current stage "a"', lines: [2, 2] },
  { text: `${FROM}COPY --from=7 a b`, message: "invalid stage index 7", lines: [2, 2] },
  { text: "FROM missing", message: "missing: failed to resolve source metadata for docker.io/library/missing:latest: docker.io/library/missing:latest: not found", lines: [1, 1] },
  { text: "FROM busybox AS build\nFROM biuld", message: /: not found \(did you mean build\?\)$/, lines: [2, 2] },
  { text: "FROM $X", message: "base name ($X) should not be blank", lines: [1, 1] },
  { text: "FROM a:b:c\nFROM busybox", message: /^failed to parse stage name "a:b:c": invalid reference format/, lines: [1, 1] },
  { text: `${FROM}RUN --mount=type=cache --mount=target=/x,size=1 x`, message: "unexpected key 'size' for mount type 'bind'", lines: [2, 2] },
  { text: "FROM busybox AS build\nFROM $X", message: "base name ($X) should not be blank", lines: [2, 2] },
  { text: "FROM a:b:c", message: /^failed to parse stage name "a:b:c": invalid reference format/, lines: [1, 1] },
  { text: "FROM --platform=$X busybox", message: "empty platform value from expression $X", lines: [1, 1] },
  { text: "FROM --platform=${X:?none} busybox", message: 'failed to process arguments for platform : failed to process "${X:?none}": X: none', lines: [1, 1] },
  { text: "FROM --platform=what busybox", message: 'failed to parse platform what: "what": unknown operating system or architecture: invalid argument', lines: [1, 1] },
  { text: "FROM busybox AS a\nONBUILD COPY a\nFROM a", message: "COPY requires at least two arguments, but only one was provided. Destination could not be determined", lines: [3, 3] },
  { text: "FROM busybox", wish: { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: "what" } }, message: 'failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option "what"' },
  { text: "FROM --platform=a/b/c/d busybox", message: /^failed to parse platform a\/b\/c\/d: /, lines: [1, 1] },
  { text: `${FROM}EXPOSE 99999`, message: "invalid containerPort: 99999", lines: [2, 2] },
  { text: `${FROM}EXPOSE 80/icmp`, message: 'invalid port: "80/icmp": invalid proto: icmp', lines: [2, 2] },
  { text: `${FROM}STOPSIGNAL SIGWHAT`, message: "invalid signal: SIGWHAT", lines: [2, 2] },
  { text: `${FROM}COPY --chmod=999 a b`, message: "invalid chmod parameter: '999'. it should be octal string and between 0 and 07777", lines: [2, 2] },
  { text: `${FROM}COPY --chmod=u=q a b`, message: /^invalid chmod parameter/ },
  { text: `${FROM}COPY https://h/x /`, message: "source can't be a URL for COPY", lines: [2, 2] },
  { text: `${FROM}COPY https://h/x.git /`, message: "source can't be a git ref for COPY", lines: [2, 2] },
  { text: `${FROM}ADD --checksum=sha256:${"a".repeat(64)} a /`, message: "checksum requires HTTP(S) or Git sources", lines: [2, 2] },
  { text: `${FROM}ADD --checksum=md5:1 https://h/x /`, message: "unsupported digest algorithm" },
  { text: `${FROM}ADD --checksum=sha256:1 https://h/x /`, message: "invalid checksum digest length" },
  { text: `${FROM}ADD --checksum=sha256 https://h/x /`, message: "invalid checksum digest format" },
  { text: `${FROM}ADD https://h/r.git?what=1 /`, message: 'unexpected query "what"', lines: [2, 2] },
  mount("type=what", 'unsupported mount type "what"'),
  mount("type=cahce", 'unsupported mount type "cahce" (did you mean cache?)'),
  mount("targt=/x", "unexpected key 'targt' in 'targt=/x' (did you mean target?)"),
  mount("type=cache,sharing=all,target=/x", 'unsupported sharing value "all"'),
  mount("type=bind,sharing=shared,target=/x", "invalid cache sharing set for bind mount"),
  mount("type=bind,mode=0700,target=/x", 'mode not allowed for "bind" type mounts'),
  mount("type=cache,mode=9,target=/x", "invalid value 9 for mode"),
  mount("type=cache,size=1m,target=/x", "unexpected key 'size' for mount type 'cache'"),
  mount("type=tmpfs,size=big,target=/x", "invalid value for size: big"),
  mount("type=secret", "invalid secret mount. one of source, target required"),
  mount("type=secret,id=a,source=b", "both source and id can't be set"),
  mount("type=secret,id=a,from=busybox", "secret mount should not have a from"),
  mount("type=ssh,source=/x", "ssh does not support source"),
  mount("type=cache,target=/", 'invalid mount target "/"'),
  mount("type=cache,required,target=/x", "unexpected key 'required' for mount type 'cache'"),
  mount("what", "invalid field 'what' must be a key=value pair"),
  mount("from=$X,target=/x", "'from' doesn't support variable expansion, define alias stage instead"),
  { text: `${FROM}RUN --network=mine x`, message: 'invalid network mode "mine"' },
  { text: `${FROM}RUN --security=none x`, message: 'security "none" is not valid' },
  { text: FROM, wish: { buildArgs: { SOURCE_DATE_EPOCH: "yesterday" } }, message: "invalid SOURCE_DATE_EPOCH: yesterday" },
  { text: "FROM c", wish: { contexts: { c: "what:x" } }, message: "unsupported context source what for c", lines: [1, 1] },
];

for (const { text, wish = {}, message, lines } of CASES) {
  test(`refused: ${JSON.stringify(text)} ${Object.keys(wish).join(" ")}`, async () => {
    const error = await (async () => plan(text, wish))().then(() => undefined, (thrown: unknown) => thrown);
    assert.ok(error instanceof Failure, String(error));
    const said = error.message.replace(/^dockerfile parse error on line \d+: /, "");
    if (typeof message === "string") assert.equal(said, message);
    else assert.match(said, message);
    if (lines !== undefined) assert.deepEqual(error.facts["lines"], lines);
  });
}

test("BLD-15: what expansion makes large is refused before it fills the memory", async () => {
  const doubling = Array.from({ length: 40 }, (_, index) => `ENV A${index + 1}=$A${index}$A${index}`).join("\n");
  await assert.rejects(plan(`${FROM}ENV A0=0123456789\n${doubling}`), /limit|more than|too l/);
  const wide = `ENV A=${"x".repeat(32_000)}\n${"ENV A=$A$A\n".repeat(4)}${"RUN x\n".repeat(2000)}`;
  await assert.rejects(plan(FROM + wide), /the build is too large/);
});

test("BLD-04: ten thousand stages, one after another, are planned", async () => {
  const stages = Array.from({ length: 9_999 }, (_, index) => `FROM s${index} AS s${index + 1}`).join("\n");
  const { images } = await plan(`FROM busybox AS s0\n${stages}`);
  assert.equal(images.length, 1);
});
