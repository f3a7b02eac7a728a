import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCpus, parseDuration, parseInteger, parseSize } from "./units.ts";

type Table = [read: (text: string) => number, right: [string, number][], wrong: [string, RegExp][]];

const tables: Readonly<Record<string, Table>> = {
  size: [
    parseSize,
    [["0", 0], ["32", 32], ["32b", 32], ["32B", 32], ["32k", 32768], ["32KB", 32768], ["32KiB", 32768], ["1.5m", 1572864], [".5k", 512], ["5 k", 5120], ["1e3", 1000], ["1g", 2 ** 30], ["1t", 2 ** 40], ["1p", 2 ** 50], ["1.", 1]],
    [["", /invalid size: ''/], ["x", /invalid size: 'x'/], ["-5", /invalid size: '-5'/], ["5z", /invalid suffix: 'z'/], ["5mm", /invalid suffix: 'mm'/], ["5ib", /invalid suffix: 'ib'/], ["0x10", /ParseFloat/], ["1.2.3", /ParseFloat/], ["5bb", /invalid suffix/]],
  ],
  cpus: [
    parseCpus,
    [["1", 1e9], ["0.5", 5e8], [".5", 5e8], ["1.", 1e9], ["1/2", 5e8], ["1e-3", 1e6], ["0.000000001", 1], ["-1", -1e9], ["2.50", 25e8]],
    [["", /rational/], ["x", /rational/], [".", /rational/], ["1/0", /rational/], ["1/3", /too precise/], ["0.0000000001", /too precise/]],
  ],
  duration: [
    parseDuration,
    [["0", 0], ["5s", 5e9], ["1h30m", 5400e9], ["1.5s", 15e8], ["-5ms", -5e6], ["+5ns", 5], ["10us", 1e4], ["10µs", 1e4], [".5m", 30e9]],
    [["", /invalid duration ""/], ["x", /invalid duration "x"/], ["5", /missing unit/], ["5x", /unknown unit "x"/], ["-", /invalid duration/], ["1h5", /missing unit/]],
  ],
  integer: [
    (text) => parseInteger(text, { base: 0 }),
    [["0", 0], ["-5", -5], ["+5", 5], ["0x1F", 31], ["010", 8], ["0o10", 8], ["0b11", 3], ["1_000", 1000]],
    [["", /invalid syntax/], ["1.5", /invalid syntax/], ["08", /invalid syntax/], ["1_", /invalid syntax/], ["_1", /invalid syntax/], ["1__0", /invalid syntax/], ["9223372036854775808", /out of range/]],
  ],
  decimal: [
    (text) => parseInteger(text),
    [["010", 10], ["-1", -1]],
    [["0x10", /invalid syntax/], ["1_0", /invalid syntax/]],
  ],
};

for (const [name, [read, right, wrong]] of Object.entries(tables)) {
  for (const [text, value] of right) test(`${name} ${JSON.stringify(text)}`, () => assert.equal(read(text), value));
  for (const [text, message] of wrong) test(`no ${name} ${JSON.stringify(text)}`, () => assert.throws(() => read(text), message));
}
