import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { applyChanges } from "./changes.ts";

const table: [string[], Record<string, unknown>][] = [
  [['CMD ["sh", "-c"]'], { Cmd: ["sh", "-c"] }],
  [["cmd echo hi"], { Cmd: ["/bin/sh", "-c", "echo hi"] }],
  [['ENTRYPOINT ["x"]', "ENTRYPOINT y"], { Entrypoint: ["/bin/sh", "-c", "y"] }],
  [['CMD ["a"]', 'ENTRYPOINT ["b"]'], { Cmd: ["a"], Entrypoint: ["b"] }],
  [["ENV A=1 B=2", "ENV A=3"], { Env: ["A=3", "B=2"] }],
  [["ENV A one two"], { Env: ["A=one two"] }],
  [[`ENV A="x y" B='$z "q"' C=a\\ b D=`], { Env: ["A=x y", 'B=$z "q"', "C=a b", "D="] }],
  [["EXPOSE 80", "EXPOSE 53/udp 8000-8002"], { ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} } }],
  [["LABEL a=b c='d e'", 'LABEL "x y"="z"'], { Labels: { a: "b", c: "d e", "x y": "z" } }],
  [["USER 1000:1000", "STOPSIGNAL SIGINT", "WORKDIR /a", "WORKDIR b/../c"], { User: "1000:1000", StopSignal: "SIGINT", WorkingDir: "/a/c" }],
  [["WORKDIR ../../.."], { WorkingDir: "/" }],
  [['VOLUME ["/a", "/b c"]', "VOLUME /d /e"], { Volumes: { "/a": {}, "/b c": {}, "/d": {}, "/e": {} } }],
  [["ONBUILD RUN x", "ONBUILD COPY . ."], { OnBuild: ["RUN x", "COPY . ."] }],
  [["HEALTHCHECK NONE"], { Healthcheck: { Test: ["NONE"] } }],
  [["HEALTHCHECK --interval=1m30s --retries=3 CMD curl x"], { Healthcheck: { Test: ["CMD-SHELL", "curl x"], Interval: 90e9, Retries: 3 } }],
  [['HEALTHCHECK --timeout=500ms CMD ["a"]'], { Healthcheck: { Test: ["CMD", "a"], Timeout: 5e8 } }],
  [["CMD a\nUSER b\n\n# a comment"], { Cmd: ["/bin/sh", "-c", "a"], User: "b" }],
  [["", "  "], {}],
];

for (const [changes, expected] of table) {
  test(changes.join(" ; ") || "nothing", () => assert.deepEqual(applyChanges({}, changes), expected));
}

test("what was there stays, and the given configuration is not changed", () => {
  const before = Object.freeze({ Env: Object.freeze(["A=1"]), Cmd: ["x"] });
  assert.deepEqual(applyChanges(before, ["ENV B=2"]), { Env: ["A=1", "B=2"], Cmd: ["x"] });
  assert.deepEqual(before, { Env: ["A=1"], Cmd: ["x"] });
});

for (const [change, message] of [
  ["ADD a b", /^add is not a valid change command$/], ["RUN x", /^run is not a valid/], ["constructor x", /^constructor is not a valid/], ["CMD", /CMD requires at least one argument/],
  ["ENV A", /ENV must have two arguments/], ["LABEL a=b c", /can't find = in "c"/], ["LABEL =x", /can't find =/], ["EXPOSE x", /invalid containerPort: x/], ["EXPOSE 70000", /invalid containerPort/],
  ["EXPOSE 9-8", /invalid containerPort/], ["USER a b", /USER requires exactly one argument/], ["ONBUILD ONBUILD x", /Chaining ONBUILD/], ["ONBUILD FROM x", /FROM isn't allowed/],
  ["HEALTHCHECK RUN x", /Unknown type "RUN"/], ["HEALTHCHECK --nope=1 CMD x", /Unknown flag/], ["HEALTHCHECK --interval=soon CMD x", /Unknown flag/], ['VOLUME [""]', /VOLUME specified can not be an empty string/],
] as const) {
  test(`refuses ${change}`, () => assert.throws(() => applyChanges({}, [change]), (error) => error instanceof Failure && error.kind === "invalid" && message.test(error.message)));
}

test("another entry point does not get the arguments of the former", () => {
  assert.deepEqual(applyChanges({ Cmd: ["old"], Entrypoint: ["former"] }, ['ENTRYPOINT ["new"]']), { Entrypoint: ["new"] });
  assert.deepEqual(applyChanges({ Cmd: ["old"] }, ['ENTRYPOINT ["new"]', 'CMD ["own"]']), { Entrypoint: ["new"], Cmd: ["own"] });
});
