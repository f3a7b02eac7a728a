/** What words expand to. A row a case: the word, what comes of it (an Error: the message it fails with). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { expandWord, splitWords } from "./expand.ts";
import type { Expansion } from "./expand.ts";

const variables: Readonly<Record<string, string>> = { HOME: "/root", EMPTY: "", LIST: "a  b", PATHS: "/usr/local/bin/tool.tar.gz", STAR: "a*b", WIDE: "日本語", SPACED: " x " };
const how: Expansion = { lookup: (name) => variables[name], escape: "\\" };

const words: readonly (readonly [string, string | Error])[] = [
  ["plain", "plain"],
  ["", ""],
  ["$HOME/bin", "/root/bin"],
  ["${HOME}bin", "/rootbin"],
  ["$HOMEbin", ""],
  ["$NONE-x", "-x"],
  ["a$", "a$"],
  ["a$.b", "a$.b"],
  ["$1x", "x"],
  ["$?x", "x"],
  ["$12x", "x"],
  ["\\$HOME", "$HOME"],
  ["\\\\$HOME", "\\/root"],
  ["'$HOME'", "$HOME"],
  ['"$HOME"', "/root"],
  ['"\\$HOME \\" \\\\ \\n"', '$HOME " \\ \\n'],
  ["a'b c'\"d e\"", "ab cd e"],
  ["trailing\\", "trailing"],
  ["$WIDE", "日本語"],
  ["$HOME日", ""],
  ["${NONE-x}", "x"],
  ["${EMPTY-x}", ""],
  ["${EMPTY:-x}", "x"],
  ["${HOME:-x}", "/root"],
  ["${NONE:-${OTHER:-${HOME}}}", "/root"],
  ["${NONE:-'a}b'}", "a}b"],
  ["${NONE:-a\\}b}", "a}b"],
  ["${NONE+x}", ""],
  ["${EMPTY+x}", "x"],
  ["${EMPTY:+x}", ""],
  ["${HOME:+${EMPTY}y}", "y"],
  ["${HOME?gone}", "/root"],
  ["${NONE?}", new Error('failed to process "${NONE?}": NONE: is not allowed to be unset')],
  ["${EMPTY:?}", new Error('failed to process "${EMPTY:?}": EMPTY: is not allowed to be empty')],
  ["${NONE?it is gone}", new Error('failed to process "${NONE?it is gone}": NONE: it is gone')],
  ["${PATHS#*/}", "usr/local/bin/tool.tar.gz"],
  ["${PATHS##*/}", "tool.tar.gz"],
  ["${PATHS%.*}", "/usr/local/bin/tool.tar"],
  ["${PATHS%%.*}", "/usr/local/bin/tool"],
  ["${PATHS%none}", "/usr/local/bin/tool.tar.gz"],
  ["${STAR#a\\*}", "b"],
  ["${STAR#?}", "*b"],
  ["${STAR%?}", "a*"],
  ["${WIDE#?}", "本語"],
  ["${PATHS/local/opt}", "/usr/opt/bin/tool.tar.gz"],
  ["${PATHS/l*l/X}", "/usr/X.tar.gz"],
  ["${PATHS//\\//:}", ":usr:local:bin:tool.tar.gz"],
  ["${PATHS//l?/-}", "/usr/-ca-bin/too-tar.gz"],
  ["${HOME//o/$EMPTY}", "/rt"],
  ["${HOME/none/x}", "/root"],
  ["${HOME:}", new Error('failed to process "${HOME:}": syntax error: missing \'}\'')],
  ["${HOME:=x}", new Error('failed to process "${HOME:=x}": unsupported modifier (:=) in substitution')],
  ["${HOME:=", new Error('failed to process "${HOME:=": syntax error: missing \'}\'')],
  ["${HOME:#x}", new Error('failed to process "${HOME:#x}": unsupported modifier (:#) in substitution')],
  ["${HOME@Q}", new Error('failed to process "${HOME@Q}": unsupported modifier (@) in substitution')],
  ["${HOME#\\a}", new Error('failed to process "${HOME#\\\\a}": invalid pattern (\\a) in substitution: invalid escape \'\\a\'')],
  ["${}", new Error('failed to process "${}": syntax error: bad substitution')],
  ["${:x}", new Error('failed to process "${:x}": syntax error: bad substitution')],
  ["${HOME", new Error('failed to process "${HOME": syntax error: missing \'}\'')],
  ["${HOME:-x", new Error('failed to process "${HOME:-x": syntax error: missing \'}\'')],
  ["'open", new Error("failed to process \"'open\": unexpected end of statement while looking for matching single-quote")],
  ['"open', new Error('failed to process "\\"open": unexpected end of statement while looking for matching double-quote')],
];

for (const [word, expected] of words) {
  test(`${word} → ${expected instanceof Error ? "an error" : expected}`, () => {
    if (typeof expected === "string") assert.equal(expandWord(word, how), expected);
    else assert.throws(() => expandWord(word, how), { message: expected.message, kind: "invalid" });
  });
}

const split: readonly (readonly [string, readonly string[]])[] = [
  ["a b", ["a", "b"]],
  ["  a\t b ", ["a", "b"]],
  ["$LIST", ["a", "b"]],
  ['"$LIST"', ["a  b"]],
  ["x${LIST}y", ["xa", "by"]],
  ["${SPACED}y", ["x", "y"]],
  ["a\\ b", ["a b"]],
  ["'' a", ["a"]],
  ["$EMPTY", []],
];

for (const [text, expected] of split) {
  test(`${text} are the words ${JSON.stringify(expected)}`, () => assert.deepEqual(splitWords(text, how), expected));
}

test("with another escape a backslash is a character like others", () => {
  assert.equal(expandWord("c:\\dir\\`$x", { ...how, escape: "`" }), "c:\\dir\\$x");
});

test("what is not set can be left as it is written, and quotes, too", () => {
  assert.equal(expandWord("$HOME $NONE ${NONE:-x} ${NONE#y}", { ...how, keepUnset: true }), "/root $NONE ${NONE:-x} ${NONE#y}");
  assert.equal(expandWord("\"$HOME\" '$NONE' it's", { ...how, quotes: "ignore" }), "\"/root\" '' it's");
});

test("patterns, however many, are matched with so much in all", () => {
  const lookup = (name: string) => (name === "B" ? "x".repeat(2 ** 16) : undefined);
  assert.throws(() => expandWord("${U+${B//a/b}}".repeat(1000), { lookup, escape: "\\" }), /matched with too much/);
  const work = { left: 2 ** 18 + 4 };
  for (const text of ["${B#y}", "${B%y}"]) expandWord(`\${U+${text}}`, { lookup, escape: "\\", work });
  assert.throws(() => expandWord("${U+${B#y}}", { lookup, escape: "\\", work }), /matched with too much/);
});
