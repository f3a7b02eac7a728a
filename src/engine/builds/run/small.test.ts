/** The pure parts of RUN: what output is made of, how caches are called, what a step is entitled to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecOp } from "#builder/graph.ts";
import { frameReader } from "#spec/stream-frames.ts";
import { checkVolumeName } from "#volumes/volumes.ts";
import { volumeName } from "./caches.ts";
import { checkEntitled } from "./entitled.ts";
import { exitFailure } from "./failure.ts";

const frame = (stream: number, text: string) => Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);

test("output: frames cut anywhere are the same output", () => {
  const whole = Buffer.concat([frame(1, "one\n"), frame(2, "two\n"), frame(1, ""), frame(2, "x"), frame(1, "three")]);
  for (let size = 1; size <= whole.length; size++) {
    const take = frameReader();
    const texts: Record<number, string> = { 1: "", 2: "" };
    const order: number[] = [];
    for (let at = 0; at < whole.length; at += size) {
      for (const { stream, bytes } of take(whole.subarray(at, at + size))) {
        texts[stream] += bytes.toString();
        if (order.at(-1) !== stream) order.push(stream);
      }
    }
    assert.deepEqual([texts, order], [{ 1: "one\nthree", 2: "two\nx" }, [1, 2, 1]], `in pieces of ${size}`);
  }
});

const ids = ["npm", "/root/.npm", "../../etc", "", "ünïcode", "a".repeat(5000), "A", "a", "x y", "-", "..", "/", "\0", "sha256:abc"];

test("caches: every id has a volume's name of its own, in which it can be recognized", () => {
  const names = [...ids.map((id) => volumeName(id, "")), volumeName("npm", "sha256:1 /x")];
  names.forEach(checkVolumeName);
  assert.equal(new Set(names).size, names.length);
  assert.match(volumeName("/root/.npm", ""), /^build-cache-root-\.npm-[0-9a-f]{8}$/);
});

const op = (more: object): ExecOp => ({
  kind: "exec", base: 0, args: ["true"], env: [], proxies: [], cwd: "/", user: "", hostname: "", network: "default", security: "sandbox", mounts: [], devices: [], files: {}, ...more,
});
const both = { networkHost: true, securityInsecure: true };
const neither = { networkHost: false, securityInsecure: false };
const all = ["network.host", "security.insecure"];

const entitled: [name: string, more: object, network: string, given: string[], allowed: typeof both, kind: string | undefined][] = [
  ["nothing special", {}, "default", [], neither, undefined],
  ["no network", { network: "none" }, "default", [], neither, undefined],
  ["a network's name, of the whole build", {}, "mine", [], neither, undefined],
  ["a network's name, as the plan has it", { network: "mine" }, "mine", [], neither, undefined],
  ["a network's name, of a step", { network: "mine" }, "default", all, both, "invalid"],
  ["the host's network, allowed by both", { network: "host" }, "default", ["network.host"], both, undefined],
  ["the host's network, not by the client", { network: "host" }, "default", ["security.insecure"], both, "forbidden"],
  ["the host's network, not by the engine", { network: "host" }, "default", all, neither, "forbidden"],
  ["the host's network, of the whole build", {}, "host", [], both, "forbidden"],
  ["all privileges, allowed by both", { security: "insecure" }, "default", ["security.insecure"], both, undefined],
  ["all privileges, not by the client", { security: "insecure" }, "default", ["network.host"], both, "forbidden"],
  ["all privileges, not by the engine", { security: "insecure" }, "default", all, neither, "forbidden"],
  ["a device", { devices: [{ name: "vendor.com/gpu=0", required: true }] }, "default", all, both, "not-implemented"],
  // BLD-03: what means nothing is never taken for "anything goes".
  ...[-1, 2, 99, "", "INSECURE", "none", null, undefined].map((security): (typeof entitled)[number] => [`BLD-03 security mode ${JSON.stringify(security)}`, { security }, "default", all, both, "invalid"]),
];

for (const [name, more, network, entitlements, allowed, kind] of entitled) {
  test(`entitled: ${name}: ${kind ?? "goes"}`, () => {
    const run = { network, extraHosts: [], ulimits: [], shmSize: 0, cgroupParent: "", limits: {} };
    const check = () => checkEntitled(op(more), { run, entitlements }, allowed);
    if (kind === undefined) check();
    else assert.throws(check, { kind });
  });
}

test("a failure says the code, in both builders' words; what killed it is a fact", () => {
  const { message, facts } = exitFailure(["/bin/sh", "-c", 'echo "x"; exit 3'], { code: 3, oom: false });
  assert.equal(message, 'process "/bin/sh -c echo \\"x\\"; exit 3" did not complete successfully: exit code: 3');
  assert.deepEqual([facts["exitCode"], facts["classic"]], [3, `The command '/bin/sh -c echo "x"; exit 3' returned a non-zero code: 3`]);
  const killed = exitFailure(["true"], { code: 137, oom: true });
  assert.deepEqual([killed.facts["signal"], killed.facts["oom"]], ["SIGKILL", true]);
  assert.match(killed.message, /exit code: 137: cannot allocate memory/);
});
