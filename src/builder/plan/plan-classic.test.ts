/** Plans of the classic builder's: its history, the image after each instruction. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "./plan-fixture.ts";

const classic = { classic: true } as const;

const HISTORY: readonly (readonly [instruction: string, createdBy: string])[] = [
  ["RUN echo a  b", "/bin/sh -c echo a  b"],
  ['RUN ["echo", "a"]', "echo a"],
  ["COPY --chown=1 a b /c/", "/bin/sh -c #(nop) COPY --chown=1 a b in /c/ "],
  ["ADD a /", "/bin/sh -c #(nop) ADD a in / "],
  ["WORKDIR /w", "/bin/sh -c #(nop) WORKDIR /w"],
  ["ENV A=1 B=2", "/bin/sh -c #(nop)  ENV A=1 B=2"],
  ['CMD ["a"]', '/bin/sh -c #(nop)  CMD ["a"]'],
  ["EXPOSE 90/udp 80", "/bin/sh -c #(nop)  EXPOSE 80/tcp 90/udp"],
  ["ARG given=1", "/bin/sh -c #(nop)  ARG given=1"],
  ["ONBUILD RUN x", "/bin/sh -c #(nop)  ONBUILD RUN x"],
];

for (const [instruction, createdBy] of HISTORY) {
  test(`classic history: ${instruction}`, async () => {
    const { images } = await plan(`FROM busybox\n${instruction}`, { ...classic, buildArgs: { given: "2" } });
    assert.deepEqual(images[0]!.history.map((entry) => [entry.createdBy, entry.comment]), [[createdBy, ""]]);
  });
}

test("arguments are said by the RUNs that have them", async () => {
  const { images } = await plan("FROM busybox\nARG a=1\nRUN x", classic);
  assert.equal(images[0]!.history.at(-1)!.createdBy, "|1 a=1 /bin/sh -c x");
});

test("the image after each instruction; labels of the request are instructions", async () => {
  const { instructions, images } = await plan("FROM busybox\nENV A=1\nRUN x\nENV B=2", { ...classic, labels: { z: "1", a: "2" } });
  assert.deepEqual(instructions.map(({ text }) => text), ["FROM busybox", "ENV A=1", "RUN x", "ENV B=2", "LABEL a=2", "LABEL z=1"]);
  assert.deepEqual(instructions.map(({ image }) => (image!.config["Env"] as string[]).length), [1, 2, 2, 3, 3, 3]);
  assert.deepEqual(instructions.map(({ image }) => image!.config["Labels"]), [undefined, undefined, undefined, undefined, { a: "2" }, { a: "2", z: "1" }]);
  assert.deepEqual(instructions.map(({ image }) => image!.history.length), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(instructions.at(-1)!.image, images[0]);
});

test("a Dockerfile that is very long is told without images", async () => {
  const { instructions } = await plan(`FROM busybox\n${"ENV A=1\n".repeat(501)}`, classic);
  assert.equal(instructions.some(({ image }) => image !== undefined), false);
});

test("images of a Dockerfile with large variables are told as long as they are not too much together", async () => {
  const { instructions } = await plan(`FROM busybox\nENV A=${"x".repeat(2 ** 15)}\n${"ENV A=$A$A\n".repeat(5)}${"ENV B=1\n".repeat(50)}`, classic);
  const told = instructions.filter(({ image }) => image !== undefined);
  assert.ok(told.length > 10 && told.length < 50, String(told.length));
  assert.ok(instructions.findLastIndex(({ image }) => image !== undefined) === told.length - 1);
});

test("what patterns of all instructions are matched with is bounded", async () => {
  const use = "LABEL a=${U+${A//a/b}}\n";
  await assert.rejects(plan(`FROM busybox\nENV A=${"x".repeat(2 ** 15)}\nENV A=$A$A$A$A\n${use.repeat(100)}`), /matched with too much/);
});
