import assert from "node:assert/strict";
import { test } from "node:test";
import { bool, bytes, cpus, duration, filter, int, list, map, oldName, text, unsigned } from "./kinds.ts";
import { parseFlags } from "./parse.ts";

const timeout = int("t", "");
const flags = {
  all: bool("a", ""),
  init: bool("i", ""),
  proxy: bool("", "", true),
  name: text("n", ""),
  env: list("e", ""),
  memory: bytes("m", ""),
  swap: bytes("", "", { unlimited: true }),
  cpus: cpus(""),
  wait: duration(""),
  weight: unsigned("", "", 16),
  opt: map("o", ""),
  filter: filter("f", ""),
  timeout,
  time: oldName("timeout", timeout),
} as const;

/** A line, the options that differ from their defaults, the arguments. */
const lines: [line: string[], options: Record<string, unknown>, args: string[]][] = [
  [[], {}, []],
  [["x", "y"], {}, ["x", "y"]],
  [["-a"], { all: true }, []],
  [["-ai"], { all: true, init: true }, []],
  [["--all", "--init=false", "x"], { all: true }, ["x"]],
  [["--all=1", "-i=t"], { all: true, init: true }, []],
  [["--proxy=false"], { proxy: false }, []],
  [["-n", "x"], { name: "x" }, []],
  [["-nx"], { name: "x" }, []],
  [["-n=x"], { name: "x" }, []],
  [["-an", "x"], { all: true, name: "x" }, []],
  [["-anx"], { all: true, name: "x" }, []],
  [["--name", "-x"], { name: "-x" }, []],
  [["--name="], {}, []],
  [["--name=a=b"], { name: "a=b" }, []],
  [["-e", "A=1", "--env", "B=2", "-eC"], { env: ["A=1", "B=2", "C"] }, []],
  [["x", "-a"], { all: true }, ["x"]],
  [["--", "-a"], {}, ["-a"]],
  [["x", "--", "-a", "--"], {}, ["x", "-a", "--"]],
  [["-"], {}, ["-"]],
  [["-m", "1.5g", "--swap", "-1"], { memory: 1610612736, swap: -1 }, []],
  [["--cpus", "1.5", "--wait", "1m30s", "--weight", "500"], { cpus: 1500000000, wait: 90e9, weight: 500 }, []],
  [["-o", "a=b", "-o", "c"], { opt: { a: "b", c: "" } }, []],
  [["-f", "a=b", "-f", " a = c ", "-f", ""], { filter: { a: ["b", "c"] } }, []],
  [["--time", "5"], { timeout: 5 }, []],
  [["-t", "0x10"], { timeout: 16 }, []],
  [["-t", "-1"], { timeout: -1 }, []],
];

for (const [line, changed, args] of lines) {
  test(`reads ${JSON.stringify(line)}`, () => {
    const defaults = parseFlags(flags, []).options;
    const read = parseFlags(flags, line);
    const { given: _, ...options } = read.options;
    const { given: __, ...before } = defaults;
    assert.deepEqual(options, { ...before, ...changed });
    assert.deepEqual(read.args, args);
  });
}

test("the first argument ends the options where a command says so", () => {
  const read = parseFlags(flags, ["-a", "image", "-i", "--", "x"], false);
  assert.deepEqual(read.args, ["image", "-i", "--", "x"]);
  assert.deepEqual([...read.options.given], ["all"]);
});

test("help ends the reading, also as -h", () => {
  assert.equal(parseFlags(flags, ["--help", "--nope"]).help, true);
  assert.equal(parseFlags(flags, ["-h"]).help, true);
  assert.equal(parseFlags(flags, ["--", "--help"]).help, false);
});

const wrong: [line: string[], message: string][] = [
  [["--nope"], "unknown flag: --nope"],
  [["--constructor"], "unknown flag: --constructor"],
  [["-z"], "unknown shorthand flag: 'z' in -z"],
  [["-azi"], "unknown shorthand flag: 'z' in -zi"],
  [["--=x"], "bad flag syntax: --=x"],
  [["---x"], "bad flag syntax: ---x"],
  [["--name"], "flag needs an argument: --name"],
  [["-n"], "flag needs an argument: 'n' in -n"],
  [["-an"], "flag needs an argument: 'n' in -n"],
  [["--all=x"], 'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax'],
  [["-t", "x"], 'invalid argument "x" for "-t, --timeout" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [["-t", "99999999999999999999"], 'invalid argument "99999999999999999999" for "-t, --timeout" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range'],
  [["--weight", "-1"], 'invalid argument "-1" for "--weight" flag: strconv.ParseUint: parsing "-1": invalid syntax'],
  [["--weight", "65536"], 'invalid argument "65536" for "--weight" flag: strconv.ParseUint: parsing "65536": value out of range'],
  [["-m", "1z"], "invalid argument \"1z\" for \"-m, --memory\" flag: invalid suffix: 'z'"],
  [["--memory", "-1"], "invalid argument \"-1\" for \"-m, --memory\" flag: invalid size: '-1'"],
  [["--wait", "5"], 'invalid argument "5" for "--wait" flag: time: missing unit in duration "5"'],
  [["--cpus", "1/3"], 'invalid argument "1/3" for "--cpus" flag: value is too precise'],
  [["-f", "x"], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'],
];

for (const [line, message] of wrong) {
  test(`refuses ${JSON.stringify(line)}`, () => assert.throws(() => parseFlags(flags, line), { message }));
}
