import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFlags } from "./help.ts";
import { bool, hidden, int, list, text } from "./kinds.ts";

const flags = {
  zeta: bool("", "Last"),
  all: bool("a", "Show all"),
  last: int("n", "So many", -1),
  format: text("", "First line\nsecond line, which is longer than what fits into a narrow terminal and so has to be broken"),
  env: list("e", "Variables"),
  secret: hidden(bool("", "Not shown")),
  name: text("", "Name", "x"),
} as const;

test("options in order, their values in one column, defaults behind", () => {
  assert.equal(
    renderFlags(flags, 80),
    [
      "  -a, --all             Show all",
      "  -e, --env list        Variables",
      "      --format string   First line",
      "                        second line, which is longer than what fits into",
      "                        a narrow terminal and so has to be broken",
      "  -n, --last int        So many (default -1)",
      '      --name string     Name (default "x")',
      "      --zeta            Last",
      "",
    ].join("\n"),
  );
});

test("in a narrow terminal texts stand below the options", () => {
  const lines = renderFlags(flags, 42).split("\n");
  assert.equal(lines[0]!.trimEnd(), "  -a, --all");
  assert.equal(lines[1], `${" ".repeat(16)}Show all`);
  assert.ok(lines.every((line) => line.length < 42));
});

test("no line is broken where there is no room for sense", () => {
  assert.match(renderFlags(flags, 30), /narrow terminal and so has to be broken$/m);
});
