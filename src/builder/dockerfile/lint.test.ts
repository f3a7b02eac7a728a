/** What lint says of a Dockerfile. A row a case: the text, and the rules with their lines and words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lintDockerfile, lintFailure } from "./lint.ts";
import { parseDockerfile } from "./parse.ts";

const platform = { TARGETPLATFORM: "linux/amd64", BUILDPLATFORM: "linux/amd64", TARGETARCH: "amd64" };

function lint(text: string, { ignore = [], args = {} }: { readonly ignore?: readonly string[]; readonly args?: Readonly<Record<string, string>> } = {}): ReturnType<typeof lintDockerfile> {
  const dockerfile = parseDockerfile(text);
  const defaults = new Map(Object.entries(platform));
  for (const { text: pair } of dockerfile.meta) if (pair.includes("=")) defaults.set(pair.split("=")[0]!, pair.split("=")[1]!);
  const bases = new Map(dockerfile.stages.flatMap(({ base }, index) => (base === "unknown" ? [] : [[index, { variables: new Map([["PATH", "/bin"]]), hasShell: base === "shelled" }] as const])));
  return lintDockerfile(dockerfile, { file: "Dockerfile", args: new Map([...defaults, ...Object.entries(args)]), defaults, buildArgs: args, ignore, bases });
}

const cases: readonly (readonly [text: string, said: readonly (readonly [rule: string, line: number, detail: string])[]])[] = [
  ["FROM a\nRUN x", []],
  ["FROM a AS Build", [["StageNameCasing", 1, "Stage name 'Build' should be lowercase"]]],
  ["FROM a as b", [["FromAsCasing", 1, "'as' and 'FROM' keywords' casing do not match"]]],
  ["from a AS b", [["FromAsCasing", 1, "'AS' and 'from' keywords' casing do not match"]]],
  ["FROM a\nRUN a \\\n\n  b", [["NoEmptyContinuation", 4, "Empty continuation line"]]],
  ["FROM a\nRUN a\nCopy b c", [["ConsistentInstructionCasing", 3, "Command 'Copy' should match the case of the command majority (uppercase)"]]],
  ["from a\nrun a\nCOPY b c", [["ConsistentInstructionCasing", 3, "Command 'COPY' should match the case of the command majority (lowercase)"]]],
  ["FROM a AS x\nFROM b AS x", [["DuplicateStageName", 2, 'Duplicate stage name "x", stage names should be unique']]],
  ["FROM a AS scratch", [["ReservedStageName", 1, 'Stage name should not use the same name as reserved stage "scratch"']]],
  ["FROM a\nCMD x", [["JSONArgsRecommended", 2, "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"]]],
  ['FROM a\nSHELL ["sh"]\nENTRYPOINT x', []],
  ["FROM a\nMAINTAINER me", [["MaintainerDeprecated", 2, "Maintainer instruction is deprecated in favor of using label"]]],
  ["ARG version=1\nFROM a:$verison", [["InvalidDefaultArgInFrom", 2, "Default value for ARG a:$verison results in empty or invalid base image name"], ["UndefinedArgInFrom", 2, "FROM argument 'verison' is not declared (did you mean version?)"]]],
  ["ARG base\nFROM ${base:-a}", []],
  ["ARG base\nFROM $base", [["InvalidDefaultArgInFrom", 2, "Default value for ARG $base results in empty or invalid base image name"]]],
  ["FROM --platform=$TARGETPLATFORM a", [["RedundantTargetPlatform", 1, "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"]]],
  ["FROM --platform=$BUILDPLATFORM a", []],
  ["FROM --platform=linux/arm64 a", [["FromPlatformFlagConstDisallowed", 1, 'FROM --platform flag should not use constant value "linux/arm64"']]],
  ["FROM --platform=linux/arm64 a AS build-arm64", []],
  ["FROM a\nWORKDIR x\nWORKDIR y", [["WorkdirRelativePath", 2, 'Relative workdir "x" can have unexpected results if the base image changes']]],
  ["FROM a\nWORKDIR /x\nWORKDIR y", []],
  ["FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y", []],
  ["FROM a\nENV x=$PTH$PATH", [["UndefinedVar", 2, "Usage of undefined variable '$PTH' (did you mean $PATH?)"]]],
  ["FROM a\nARG x\nENV y=$x", []],
  ["FROM a\nENV y=1 z=$y", [["UndefinedVar", 2, "Usage of undefined variable '$y'"]]],
  ["FROM a\nRUN echo $nothing", []],
  ["FROM unknown\nENV x=$nothing", []],
  ["FROM a AS b\nENV own=1\nFROM b\nLABEL x=$own y=$other", [["UndefinedVar", 4, "Usage of undefined variable '$other'"]]],
  ['FROM a\nCMD ["a"]\nCMD ["b"]', [["MultipleInstructionsDisallowed", 2, "Multiple CMD instructions should not be used in the same stage because only the last one will be used"]]],
  ["FROM a\nENV a b\nLABEL c d", [["LegacyKeyValueFormat", 2, '"ENV key=value" should be used instead of legacy "ENV key value" format'], ["LegacyKeyValueFormat", 3, '"LABEL key=value" should be used instead of legacy "LABEL key value" format']]],
  ["FROM a\nARG API_KEY\nENV db_password=1 PUBLIC_KEY=x TOKEN_FILE=y", [["SecretsUsedInArgOrEnv", 2, 'Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")'], ["SecretsUsedInArgOrEnv", 3, 'Do not use ARG or ENV instructions for sensitive data (ENV "db_password")'], ["SecretsUsedInArgOrEnv", 3, 'Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN_FILE")']]],
  ["FROM a\nENV a$my_KEY=1", [["UndefinedVar", 2, "Usage of undefined variable '$my_KEY'"]]],
  ["FROM a\nEXPOSE 80/TCP 127.0.0.1:80:80", [["ExposeInvalidFormat", 2, "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'"], ["ExposeProtoCasing", 2, "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"]]],
  ["# experimental is off\n# something else\nFROM a AS b", []],
  ["# check=experimental=all\n# something else\nFROM a AS b", [["InvalidDefinitionDescription", 3, "Comment for FROM should follow the format: `# b <description>`"]]],
  ["# check=skip=MaintainerDeprecated,StageNameCasing\nFROM a AS B\nMAINTAINER x\nCMD x", [["JSONArgsRecommended", 4, "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"]]],
  ["# check=skip=all\nFROM a AS B\nMAINTAINER x", []],
  ["FROM a\n# check=skip=JSONArgsRecommended\nCMD x", [["JSONArgsRecommended", 3, "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"]]],
  ["FROM shelled\nCMD x", []],
  ["FROM a\nEXPOSE :80 $p:81", []],
  ["FROM a\nARG p='1:80 81/UDP'\nEXPOSE $p", [["ExposeInvalidFormat", 3, "EXPOSE instruction should not define an IP address or host-port mapping, found '1:80'"], ["ExposeProtoCasing", 3, "Defined protocol '81/UDP' in EXPOSE instruction should be lowercase"]]],
];

for (const [text, said] of cases) {
  test(`${JSON.stringify(text)}: ${said.map(([rule]) => rule).join(", ") || "nothing"}`, () => {
    assert.deepEqual(lint(text).map(({ rule, ranges, detail }) => [rule, ranges[0]!.start, detail]), said);
  });
}

test("a file that .dockerignore takes out of the context cannot be copied", () => {
  const text = "# check=experimental=CopyIgnoredFile\nFROM a\nARG dir=secret\nCOPY $dir/x ok ./secret /\nCOPY --from=b secret /\nADD ./secret/y secret/ /";
  assert.deepEqual(lint(text, { ignore: ["secret"] }).map(({ rule, ranges, detail }) => [rule, ranges[0]!.start, detail]), [
    ["CopyIgnoredFile", 4, 'Attempting to Copy file "secret/x" that is excluded by .dockerignore'],
    ["CopyIgnoredFile", 6, 'Attempting to Add file "./secret/y" that is excluded by .dockerignore'],
    ["CopyIgnoredFile", 6, 'Attempting to Add file "secret/" that is excluded by .dockerignore'],
  ]);
  assert.deepEqual(lint(text, { ignore: ["secret", "!secret/x", "!secret/y"] }).map(({ ranges, detail }) => [ranges[0]!.start, detail]), [
    [6, 'Attempting to Add file "./secret/y" that is excluded by .dockerignore'],
    [6, 'Attempting to Add file "secret/" that is excluded by .dockerignore'],
  ]);
  assert.deepEqual(lint(text.replace(/.*\n/, ""), { ignore: ["secret"] }), []);
});

test("a warning has its rule's words and address", () => {
  const [warning] = lint("FROM a\nMAINTAINER x");
  assert.deepEqual(warning, {
    rule: "MaintainerDeprecated",
    detail: "Maintainer instruction is deprecated in favor of using label",
    description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    url: "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/",
    file: "Dockerfile",
    ranges: [{ start: 2, end: 2 }],
  });
});

test("warnings can be errors, and wrong options are told", () => {
  const failure = (text: string): string | undefined => lintFailure(parseDockerfile(text), lint(text))?.message;
  assert.equal(failure("# check=error=true\nFROM a AS B\nCMD x"), "lint violation found for rules: StageNameCasing, JSONArgsRecommended");
  assert.equal(failure("# check=skip=StageNameCasing;error=true\nFROM a AS B"), undefined);
  assert.equal(failure("FROM a AS B"), undefined);
  assert.throws(() => lint("# check=errors=true\nFROM a"), { message: 'failed to parse check options: invalid check option "errors"' });
  assert.throws(() => lint("# check=error=maybe\nFROM a"), { kind: "invalid" });
});
