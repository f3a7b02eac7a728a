import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTAINER, decodeMessage, encodeOrder, parseExitRecord, type Order } from "./shim-protocol.ts";

const orders: [Order, string][] = [
  [{ type: "control" }, "00000000 01"],
  [{ type: "attach", id: CONTAINER, stdin: true, stderr: true }, "03000000 02 00 05 00"],
  [{ type: "attach", id: "ab", stdout: true, unfinished: true, detachKeys: Buffer.from([16, 17]) }, "07000000 02 026162 0a 02 1011"],
  [{ type: "start" }, "00000000 0a"],
  [{ type: "exec", id: "a", program: Buffer.from("prog"), tty: true, rows: 24, cols: 80 }, "0b000000 0b 0161 01 1800 5000 70726f67"],
  [{ type: "execStart", id: "a" }, "02000000 0c 0161"],
  [{ type: "resize", id: "a", rows: 1, cols: 258 }, "06000000 0d 0161 0100 0201"],
  [{ type: "signal", id: "", signal: 15 }, "05000000 0e 00 0f000000"],
  [{ type: "rotate" }, "00000000 0f"],
  [{ type: "closeStdin", id: "" }, "01000000 10 00"],
];

test("orders are encoded as the page says", () => {
  for (const [order, hex] of orders) assert.equal(encodeOrder(order).toString("hex"), hex.replaceAll(" ", ""));
});

const messages: [string, object][] = [
  ["00000000 14", { type: "ok" }],
  ["04000000 15 03000000", { type: "error", errno: 3 }],
  ["0c000000 16 0001000000000000 02000000", { type: "attached", logOffset: 256n, logGeneration: 2 }],
  ["14000000 1e 07000000 0900000000000000 0100 0161 08000000", { type: "state", pid: 7, startTicks: 9n, execs: new Map([["a", 8]]) }],
  ["0e000000 1f 0161 07000000 ffffffff00000000", { type: "started", id: "a", pid: 7, time: 4294967295n }],
  ["0a000000 20 00 ffffffff 02000000 01", { type: "failed", id: "", index: -1, errno: 2, program: "parent" }],
  ["12000000 21 00 89000000 09000000 0000000000000001 01", { type: "exited", id: "", code: 137, signal: 9, time: 1n << 56n, oom: true }],
  ["01000000 22 00", { type: "detached", id: "" }],
  ["04000000 24 1c000000", { type: "logError", errno: 28 }],
];

test("messages are decoded, however they are cut", () => {
  for (const [hex, expected] of messages) {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    assert.deepEqual(decodeMessage(bytes), { message: expected, length: bytes.length });
    assert.deepEqual(decodeMessage(Buffer.concat([bytes, Buffer.from("more")]))?.length, bytes.length);
    for (let cut = 0; cut < bytes.length; cut++) assert.equal(decodeMessage(bytes.subarray(0, cut)), undefined);
  }
});

test("bytes that no shim sends are refused", () => {
  assert.throws(() => decodeMessage(Buffer.from("0000000063", "hex")), RangeError);
  assert.throws(() => decodeMessage(Buffer.from("0000000115", "hex")), RangeError);
  assert.throws(() => decodeMessage(Buffer.from("010000001500", "hex")), RangeError);
});

test("an exit record is read whole or not at all", () => {
  const text = '{"code":137,"signal":9,"time":"2026-01-01T00:00:00.123456789Z","oom":false,"pid":123,"startedAt":"2026-01-01T00:00:00Z"}\n';
  assert.equal(parseExitRecord(text).code, 137);
  for (const bad of ["", "null", "{}", text.slice(0, 60), text.replace("137", '"137"')]) assert.throws(() => parseExitRecord(bad), SyntaxError);
});
