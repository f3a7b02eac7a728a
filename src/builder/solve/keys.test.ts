import assert from "node:assert/strict";
import { test } from "node:test";
import type { CopyAction, ExecMount, ExecOp, FileOp } from "../graph.ts";
import { definitionParts, keyOf, needsOf, type Parts } from "./keys.ts";
import { NO_RUN } from "./world-fixture.ts";

const HOST = { os: "linux", architecture: "amd64" };
const EXEC: ExecOp = { kind: "exec", base: 0, args: ["make"], env: ["A=1", "B=2"], proxies: [], cwd: "/", user: "", hostname: "h", network: "default", security: "sandbox", mounts: [], devices: [], files: {} };
const bind = (source: string): ExecMount => ({ type: "bind", target: "/m", from: 1, source, rw: false });

const keyOfRun = (op: Partial<ExecOp>, run = NO_RUN) => keyOf(definitionParts({ ...EXEC, ...op }, HOST, run));
const ulimit = (Soft: number) => ({ ...NO_RUN, ulimits: [{ Name: "nofile", Soft, Hard: 1024 }] });

test("a RUN's key has what its command can see", () => {
  const keys = [
    keyOfRun({}),
    keyOfRun({ env: ["B=2", "A=1"] }),
    keyOfRun({ env: ["A=1", "B=3"] }),
    keyOfRun({ network: "none" }),
    keyOfRun({ security: "insecure" }),
    keyOfRun({ files: { "/x": "1" } }),
    keyOfRun({ files: { "/x": "2" } }),
    keyOfRun({ mounts: [{ type: "tmpfs", target: "/t", size: 0 }] }),
    keyOfRun({ mounts: [{ type: "tmpfs", target: "/t", size: 1 }] }),
    keyOfRun({}, { ...NO_RUN, network: "host" }),
    keyOfRun({}, { ...NO_RUN, extraHosts: ["a:1.2.3.4"] }),
    keyOfRun({}, { ...NO_RUN, shmSize: 1 }),
    keyOfRun({}, ulimit(1)),
    keyOfRun({}, ulimit(2)),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(keyOfRun({ proxies: ["HTTP_PROXY=x"] }), keyOfRun({}));
  assert.equal(keyOfRun({}, { ...NO_RUN, limits: { Memory: 1 }, cgroupParent: "/x" }), keyOfRun({}));
});

test("a mount's source is a name and no pattern", () => {
  const needOf = (source: string) => needsOf({ ...EXEC, mounts: [bind(source)] })[1]!;
  assert.deepEqual(needOf("/app/a").select?.sources, ["/app/a"]);
  for (const source of ["/app/[id]", "/app/*", "/"]) assert.equal(needOf(source).select, undefined, source);
});

test("no part takes the place of another", () => {
  const copy = (source: string, from: number): CopyAction => ({ action: "copy", from, sources: [source], destination: "/", exclude: [], parents: false, unpack: false, link: false });
  const op: FileOp = { kind: "file", base: 0, actions: [copy("a (1)", 1), copy("a", 2)] };
  const parts: Parts = { ...definitionParts(op, HOST, NO_RUN), ...Object.fromEntries(needsOf(op).map(({ part, input }) => [part, String(input)])) };
  assert.deepEqual(Object.values(parts).filter((value) => /^\d$/.test(value)).toSorted(), ["0", "1", "2"]);
});
