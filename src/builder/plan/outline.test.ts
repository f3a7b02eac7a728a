/** What `--call=outline` lists, case by case: name=value@line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { outlineArgs } from "./outline.ts";
import { HOST, REQUEST } from "./plan-fixture.ts";

const cases: { readonly what: string; readonly text: string; readonly args?: Record<string, string>; readonly target?: string; readonly listed: string }[] = [
  { what: "of the target and of what it is based on", text: "FROM busybox AS base\nARG WHO=you\nFROM base\nARG OTHER", listed: "WHO=you@2 OTHER=@4" },
  { what: "nothing of stages that are not needed", text: "FROM busybox AS a\nARG A=1\nFROM busybox AS b\nARG B=2", target: "a", listed: "A=1@2" },
  { what: "a global one when a stage takes it, or FROM, or another that is taken", text: "ARG V=1\nARG UNUSED=2\nARG IMAGE=busybox:$V\nARG TAKEN=x\nFROM $IMAGE\nARG TAKEN", listed: "V=1@1 IMAGE=busybox:1@3 TAKEN=x@4" },
  { what: "as it is given", text: "FROM busybox\nARG A=1\nARG B=$A/b", args: { A: "2" }, listed: "A=2@2 B=2/b@3" },
  { what: "not the machine's own", text: "FROM busybox\nARG TARGETARCH\nARG MINE", listed: "MINE=@3" },
];

for (const { what, text, args = {}, target = "", listed } of cases) {
  test(what, () => {
    const images = { resolve: () => Promise.reject(new Error("nothing is looked up")) };
    const found = outlineArgs({ dockerfile: parseDockerfile(text), request: { ...REQUEST, buildArgs: args, target }, images, host: HOST, ignore: [], signal: new AbortController().signal });
    assert.equal(found.map(({ name, value = "", lines }) => `${name}=${value}@${lines[0]}`).join(" "), listed);
  });
}
