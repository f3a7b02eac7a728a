/** What a Dockerfile says, and what is said of one that is wrong. Each table can be added to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { argsOf, commandOf, isOnlyHeredoc, pairsOf, transferOf, wordsOf } from "./arguments.ts";
import { flagOf, flagsOf, isSet } from "./flags.ts";
import { healthcheckOf } from "./healthcheck.ts";
import { textOf } from "./heredocs.ts";
import { parseDockerfile, parseTrigger, triggerText } from "./parse.ts";
import { showLines } from "./show-lines.ts";
import type { Instruction } from "./dockerfile.ts";

/** Of the one instruction after a FROM. */
const read: readonly (readonly [text: string, of: (instruction: Instruction) => unknown, is: unknown])[] = [
  ["RUN echo a", ({ keyword, text, json }) => [keyword, text, json], ["RUN", "echo a", undefined]],
  ["run  echo a ", ({ keyword, written, original }) => [keyword, written, original], ["RUN", "run", "run  echo a"]],
  ["RUN a && \\\n  # not this\n  b \\\n\n  c", ({ text, lines }) => [text, lines], ["a &&   b   c", [2, 6]]],
  ["RUN a \\\n", ({ text }) => text, "a"],
  ["RUN a \\ \nb", ({ text }) => text, "a b"],
  ["RUN a \\\\", ({ text }) => text, "a \\\\"],
  ["RUN a \\\r\n b\r", ({ text }) => text, "a  b"],
  ['RUN ["a", "b\\n"]', commandOf, { args: ["a", "b\n"], shell: false }],
  ["RUN ['a']", commandOf, { args: ["['a']"], shell: true }],
  ['RUN [ "a" ] | b', commandOf, { args: ['[ "a" ] | b'], shell: true }],
  ['RUN ["\\ud800"]', commandOf, { args: ["\ufffd"], shell: false }],
  ["CMD []", commandOf, { args: [], shell: false }],
  ["RUN --mount=type=cache,target=/a --mount=type=bind --network=none make", (run) => [flagsOf(run, "mount"), flagOf(run, "network"), run.text], [["type=cache,target=/a", "type=bind"], "none", "make"]],
  ['RUN --mount="type=secret,id=a b" x', (run) => flagsOf(run, "mount"), ["type=secret,id=a b"]],
  ["RUN -- --x", ({ text, flags }) => [text, flags], ["--x", []]],
  ["COPY --link --parents=false a b c/", (copy) => [isSet(copy, "link"), isSet(copy, "parents"), isSet(copy, "from"), transferOf(copy)], [true, false, undefined, { sources: ["a", "b"], heredocs: [], destination: "c/" }]],
  ['COPY ["a b", "c"]', transferOf, { sources: ["a b"], heredocs: [], destination: "c" }],
  ["ENV a=1 b='2 3' c=\"4\\\"\" d=5\\ 6 e=", (env) => pairsOf(env).map(({ key, value }) => [key, value]), [["a", "1"], ["b", "'2 3'"], ["c", '"4\\""'], ["d", "5\\ 6"], ["e", ""]]],
  ["ENV a b  c ", pairsOf, [{ key: "a", value: "b  c", legacy: true }]],
  ["LABEL a=1 \\\n  b=2", (label) => pairsOf(label).map(({ key, value }) => [key, value]), [["a", "1"], ["b", "2"]]],
  ["# a what it is for\nARG a b=x c=", argsOf, [{ key: "a", value: undefined, comment: "what it is for" }, { key: "b", value: "x", comment: "" }, { key: "c", value: "", comment: "" }]],
  ["EXPOSE 80  90/udp", wordsOf, ["80", "90/udp"]],
  ['VOLUME ["/a b", "/c"]', wordsOf, ["/a b", "/c"]],
  ["HEALTHCHECK NONE", healthcheckOf, { Test: ["NONE"] }],
  ["HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD a b", healthcheckOf, { Test: ["CMD-SHELL", "a b"], Interval: 90e9, Timeout: 1.5e9, Retries: 3 }],
  ['HEALTHCHECK --start-period=5s --start-interval=100ms cmd ["a"]', healthcheckOf, { Test: ["CMD", "a"], StartPeriod: 5e9, StartInterval: 100e6 }],
  ["RUN <<EOF\na\n  b\nEOF", ({ heredocs, lines }) => [heredocs, lines], [[{ name: "EOF", quoted: false, stripTabs: false, descriptor: 0, content: "a\n  b\n" }], [2, 5]]],
  ["RUN <<'EOF'\n$a\nEOF", ({ heredocs }) => heredocs.map(({ quoted, content }) => [quoted, content]), [[true, "$a\n"]]],
  ["RUN <<-EOF\n\ta\n\t\tb\n\tEOF", ({ heredocs }) => heredocs.map((heredoc) => [heredoc.content, textOf(heredoc)]), [["\ta\n\t\tb\n", "a\nb\n"]]],
  ["RUN cat <<A 3<<B > /x\n1\nA\n2\nB", ({ heredocs }) => heredocs.map(({ name, content, descriptor }) => [name, content, descriptor]), [["A", "1\n", 0], ["B", "2\n", 3]]],
  ["RUN <<EOF\nEOF", isOnlyHeredoc, true],
  ["RUN sh <<EOF\nEOF", isOnlyHeredoc, false],
  ["RUN cat <<< x", ({ heredocs }) => heredocs, []],
  ['RUN ["<<EOF"]', ({ heredocs }) => heredocs, []],
  ["CMD <<EOF", ({ heredocs }) => heredocs, []],
  ["COPY <<a <<b c /d/\n1\na\n2\nb", (copy) => [transferOf(copy).sources, transferOf(copy).heredocs.map(({ name, content }) => [name, content])], [["c"], [["a", "1\n"], ["b", "2\n"]]]],
  ["COPY <<A <<-'A' /d/\n1\nA\n\t2\nA", (copy) => transferOf(copy).heredocs.map((heredoc) => [heredoc.quoted, textOf(heredoc)]), [[false, "\t2\n"], [true, "2\n"]]],
  ["ONBUILD RUN cat <<A\nx\nA", (onbuild) => [triggerText(onbuild), parseTrigger(triggerText(onbuild)).heredocs[0]?.content], ["RUN cat <<A\nx\nA", "x\n"]],
];

for (const [text, of, is] of read) {
  test(`${JSON.stringify(text)} is read`, () => {
    const { stages } = parseDockerfile(`FROM scratch\n${text}`);
    assert.equal(stages[0]!.instructions.length, 1);
    assert.deepEqual(of(stages[0]!.instructions[0]!), is);
  });
}

test("stages, what stands before them, and directives", () => {
  const file = parseDockerfile("\ufeff# syntax=docker/dockerfile:1\n#escape=`\n\n# check=skip=all\nARG v=1\nFROM --platform=$BUILDPLATFORM a:$v AS Build\nRUN a `\n b\nfrom b\n");
  assert.deepEqual(file.directives, { syntax: "docker/dockerfile:1", escape: "`" });
  assert.deepEqual(file.meta.map(({ original }) => original), ["ARG v=1"]);
  assert.deepEqual(file.stages.map(({ name, base, platform, instructions }) => [name, base, platform, instructions.map(({ text }) => text)]), [["build", "a:$v", "$BUILDPLATFORM", ["a  b"]], ["", "b", undefined, []]]);
});

test("a script's first line leaves the other directives, and no escape; an empty platform is none", () => {
  const file = parseDockerfile("#!/bin/x\n# check=skip=all\n# escape=`\nFROM --platform= a\nRUN x`");
  assert.deepEqual([file.directives, file.escape, file.stages[0]!.platform], [{ check: "skip=all" }, "\\", undefined]);
});

test("every version of the language is this one", () => {
  const versions = ["docker/dockerfile", "docker/dockerfile:1", "docker/dockerfile:1.7-labs", "docker.io/docker/dockerfile:1.20", "docker/dockerfile:1@sha256:0000", "docker/dockerfile-upstream:master"];
  for (const syntax of versions) assert.equal(parseDockerfile(`# syntax=${syntax}\nFROM a`).directives["syntax"], syntax);
});

test("an empty line within an instruction is left out and remembered", () => {
  assert.deepEqual(parseDockerfile("FROM a\nRUN a \\\n\n b\nRUN c").emptyContinuations, [4]);
});

/** A text, its message, and the lines it is about. */
const wrong: readonly (readonly [string, string, readonly [number, number] | undefined])[] = [
  ["", "the Dockerfile cannot be empty", undefined],
  ["\ufeff", "file with no instructions", [1, 1]],
  ["#!/bin/x\n# escape=`\nFROM a\nRUN b`\nc", "dockerfile parse error on line 5: unknown instruction: c (did you mean cmd?)", [5, 5]],
  ["# only a comment\n", "file with no instructions", [1, 1]],
  ["FRM a", "dockerfile parse error on line 1: unknown instruction: FRM (did you mean FROM?)", [1, 1]],
  ["FROM a\nrunn x", "dockerfile parse error on line 2: unknown instruction: runn (did you mean run?)", [2, 2]],
  ["FROM a\nSOMETHING else", "dockerfile parse error on line 2: unknown instruction: SOMETHING", [2, 2]],
  ["RUN a", "no build stage in current context", [1, 1]],
  ["ARG a", "dockerfile contains no stages to build", undefined],
  ["FROM", "dockerfile parse error on line 1: FROM requires either one or three arguments", [1, 1]],
  ["FROM a b", "dockerfile parse error on line 1: FROM requires either one or three arguments", [1, 1]],
  ["FROM a AS 1x", 'dockerfile parse error on line 1: invalid name for build stage: "1x", name can\'t start with a number or contain symbols', [1, 1]],
  ["FROM a\n\nCOPY a", "dockerfile parse error on line 3: COPY requires at least two arguments, but only one was provided. Destination could not be determined", [3, 3]],
  ["FROM a\nCOPY --form=x a b", "dockerfile parse error on line 2: unknown flag: --form (did you mean from?)", [2, 2]],
  ["FROM a\nCOPY --from a b", "dockerfile parse error on line 2: missing a value on flag: --from", [2, 2]],
  ["FROM a\nCOPY --link=maybe a b", "dockerfile parse error on line 2: expecting boolean value for flag --link, not: maybe", [2, 2]],
  ["FROM a\nCOPY --from=a --from=b a b", "dockerfile parse error on line 2: duplicate flag specified: --from", [2, 2]],
  ["FROM a\nCOPY x <<EOF\nEOF", "dockerfile parse error on line 2: COPY cannot accept a heredoc as a destination", [2, 3]],
  ["FROM a\nRUN --network=lan x", 'dockerfile parse error on line 2: invalid network mode "lan"', [2, 2]],
  ["FROM a\nRUN --security=off x", 'dockerfile parse error on line 2: security "off" is not valid', [2, 2]],
  ["FROM a\nRUN --device= x", "dockerfile parse error on line 2: failed to parse csv devices: EOF", [2, 2]],
  ["FROM a\nRUN --device=a,b x", "dockerfile parse error on line 2: invalid field 'b' must be a key=value pair", [2, 2]],
  ["FROM a\nRUN --device=name=a,name=b x", "dockerfile parse error on line 2: device name already set to a", [2, 2]],
  ["FROM a\nRUN --mount= x", "dockerfile parse error on line 2: failed to parse csv mounts: EOF", [2, 2]],
  ['FROM a\nRUN --mount=type=cache,target=a\\"b x', 'dockerfile parse error on line 2: failed to parse csv mounts: parse error on line 1, column 20: bare " in non-quoted-field', [2, 2]],
  ["FROM a\nENV a", "ENV must have two arguments", [2, 2]],
  ["FROM a\nENV a=1 b", 'Syntax error - can\'t find = in "b". Must be of the form: name=value', [2, 2]],
  ["FROM a\nENV =x", "dockerfile parse error on line 2: ENV names can not be blank", [2, 2]],
  ["FROM a\nENV", "dockerfile parse error on line 2: ENV requires at least one argument", [2, 2]],
  ["FROM a\nCMD [1]", "when using JSON array syntax, arrays must be comprised of strings only", [2, 2]],
  ["FROM a\nSHELL sh -c", "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form", [2, 2]],
  ["FROM a\nSHELL []", "dockerfile parse error on line 2: SHELL requires at least one argument", [2, 2]],
  ["FROM a\nWORKDIR", "dockerfile parse error on line 2: WORKDIR requires exactly one argument", [2, 2]],
  ["FROM a\nVOLUME [\" \"]", "dockerfile parse error on line 2: VOLUME specified can not be an empty string", [2, 2]],
  ["FROM a\nHEALTHCHECK CMD", "dockerfile parse error on line 2: Missing command after HEALTHCHECK CMD", [2, 2]],
  ["FROM a\nHEALTHCHECK ASK x", 'dockerfile parse error on line 2: Unknown type "ASK" in HEALTHCHECK (try CMD)', [2, 2]],
  ["FROM a\nHEALTHCHECK --interval=soon CMD x", 'dockerfile parse error on line 2: time: invalid duration "soon"', [2, 2]],
  ["FROM a\nHEALTHCHECK --interval=9999999h CMD x", 'dockerfile parse error on line 2: time: invalid duration "9999999h"', [2, 2]],
  ["FROM a\nHEALTHCHECK --interval=1us CMD x", 'dockerfile parse error on line 2: Interval "interval" cannot be less than 1ms', [2, 2]],
  ["FROM a\nONBUILD ONBUILD RUN x", "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", [2, 2]],
  ["FROM a\nONBUILD FROM x", "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger", [2, 2]],
  ["FROM a\nRUN <<EOF\nx\n", "unterminated heredoc", [2, 3]],
  ["# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\", [1, 1]],
  ["# escape=`\n# escape=`\nFROM a", "only one escape parser directive can be used", [2, 2]],
  [
    "# syntax=someone/else:1\nwhatever it is",
    'syntax "someone/else:1": only docker/dockerfile is known, in any version; no other frontend is fetched or run. Without this line the file is read as a Dockerfile',
    [1, 1],
  ],
];

for (const [text, message, lines] of wrong) {
  test(`${JSON.stringify(text)}: ${message}`, () => {
    assert.throws(() => parseDockerfile(text), (error: unknown) => {
      assert.ok(error instanceof Failure && error.kind === "invalid");
      assert.deepEqual([error.message, error.facts["lines"]], [message, lines]);
      return true;
    });
  });
}

test("an error is shown with the lines around it", () => {
  const source = "FROM a\nRUN x\n\nRUNN \\\n  y\n# end\nRUN z\nRUN z";
  const shown = (text: string): string => {
    try {
      parseDockerfile(text);
    } catch (error) {
      return showLines("Dockerfile", text, (error as Failure).facts["lines"] as [number, number]);
    }
    return "no error";
  };
  const rule = "--------------------";
  assert.equal(shown(source), ["Dockerfile:4", rule, "   3 |     ", "   4 | >>> RUNN \\", "   5 | >>>   y", "   6 |     # end", rule, ""].join("\n"));
  assert.equal(shown("FROM a\nFOO"), ["Dockerfile:2", rule, "   1 |     FROM a", "   2 | >>> FOO", rule, ""].join("\n"));
});
