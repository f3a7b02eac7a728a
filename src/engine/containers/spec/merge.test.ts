import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerConfig } from "#spec/docker.ts";
import { commandLine, mergeConfig } from "./merge.ts";

const asked = (more: Partial<ContainerConfig>): ContainerConfig => ({
  Hostname: "", Domainname: "", User: "", AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, OpenStdin: false,
  StdinOnce: false, Env: [], Cmd: null, Entrypoint: null, Image: "x", WorkingDir: "", Labels: {}, ExposedPorts: {}, Volumes: {}, ...more,
});

const commands: [string, Partial<ContainerConfig>, Record<string, unknown>, string[] | "none"][] = [
  ["the image's, as it is", {}, { Entrypoint: ["e"], Cmd: ["c"] }, ["e", "c"]],
  ["a command replaces the image's", { Cmd: ["x"] }, { Entrypoint: ["e"], Cmd: ["c"] }, ["e", "x"]],
  ["an entrypoint drops the image's command", { Entrypoint: ["x"] }, { Entrypoint: ["e"], Cmd: ["c"] }, ["x"]],
  ["both", { Entrypoint: ["x"], Cmd: ["y"] }, { Entrypoint: ["e"], Cmd: ["c"] }, ["x", "y"]],
  ["an empty entrypoint is none", { Entrypoint: [""], Cmd: ["y"] }, { Entrypoint: ["e"], Cmd: ["c"] }, ["y"]],
  ["an empty entrypoint and no command", { Entrypoint: [""] }, { Entrypoint: ["e"], Cmd: ["c"] }, "none"],
  ["an empty list keeps the image's command, not its entrypoint", { Entrypoint: [] }, { Entrypoint: ["e"], Cmd: ["c"] }, ["c"]],
  ["nothing at all", {}, {}, "none"],
  ["an image that says null", { Cmd: ["a"] }, { Entrypoint: null, Cmd: null }, ["a"]],
];

for (const [name, request, image, command] of commands) {
  test(`command: ${name}`, () => {
    if (command === "none") return assert.throws(() => mergeConfig(asked(request), image), { kind: "invalid", message: "no command specified" });
    const { path, args } = commandLine(mergeConfig(asked(request), image));
    assert.deepEqual([path, ...args], command);
  });
}

test("the user's variables come first and win by name", () => {
  const { Env } = mergeConfig(asked({ Cmd: ["x"], Env: ["A=1", "B"] }), { Env: ["A=0", "C=2", "B=3"] });
  assert.deepEqual(Env, ["A=1", "B", "C=2"]);
});

test("maps are joined, the user's values win; single values are the user's if there are any", () => {
  const image = { User: "u", WorkingDir: "/w", StopSignal: "SIGINT", Labels: { a: "0", b: "1" }, ExposedPorts: { "80/tcp": {} }, Volumes: { "/v": {} } };
  const merged = mergeConfig(asked({ Cmd: ["x"], Labels: { a: "2" }, ExposedPorts: { "81/tcp": {} }, WorkingDir: "/mine" }), image);
  assert.deepEqual(merged.Labels, { a: "2", b: "1" });
  assert.deepEqual(Object.keys(merged.ExposedPorts).sort(), ["80/tcp", "81/tcp"]);
  assert.deepEqual([merged.User, merged.WorkingDir, merged.StopSignal, merged.Volumes], ["u", "/mine", "SIGINT", { "/v": {} }]);
});
