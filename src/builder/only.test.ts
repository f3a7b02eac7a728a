/** What is answered without a build. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { answerOnly } from "./only.ts";
import { baseImage, HOST, plan, REQUEST, type Wish } from "./plan/plan-fixture.ts";

type Told = { readonly warnings: readonly { readonly ruleName: string; readonly location: { readonly ranges: readonly { readonly start: { readonly line: number } }[] } }[]; readonly buildError?: { readonly message: string } };

async function check(text: string, wish: Wish = {}): Promise<{ warnings: string[]; error: string | undefined }> {
  const dockerfile = parseDockerfile(text);
  const request = { ...REQUEST, ...wish };
  const input = { dockerfile, request, host: HOST, ignore: [], images: { resolve: async (name: string) => baseImage(name, HOST) }, signal: new AbortController().signal };
  const { warnings, buildError } = JSON.parse(await answerOnly("check", { request, definition: { name: "Dockerfile", text: Buffer.from(text) }, dockerfile, input, plan: () => plan(text, wish) })) as Told;
  return { warnings: warnings.map(({ ruleName, location }) => `${ruleName} ${location.ranges[0]!.start.line}`), error: buildError?.message };
}

const CASES: readonly (readonly [text: string, warnings: readonly string[], error?: string | undefined, wish?: Wish])[] = [
  ["FROM busybox\nENV A=$B", ["UndefinedVar 2"]],
  ["FROM busybox\nMAINTAINER x\nCOPY --chmod=9999 a b", ["MaintainerDeprecated 2"], "invalid chmod parameter: '9999'. it should be octal string and between 0 and 07777"],
  ["FROM busybox AS unused\nEXPOSE what\nFROM busybox", [], "invalid containerPort: what"],
  ["FROM busybox AS unused\nEXPOSE what\nFROM busybox AS wanted", [], undefined, { target: "wanted" }],
  ["FROM nowhere\nMAINTAINER x", ["MaintainerDeprecated 2"], "nowhere: failed to resolve source metadata for docker.io/library/nowhere:latest: docker.io/library/nowhere:latest: not found"],
  ["# check=error=true\nFROM busybox\nMAINTAINER x", ["MaintainerDeprecated 3"], "lint violation found for rules: MaintainerDeprecated"],
  ["# check=wrong\nFROM busybox", [], 'failed to parse check options: invalid check option "wrong"'],
  ["FROM busybox AS a\nCMD x\nFROM c\nENV A=$B", ["JSONArgsRecommended 2", "UndefinedVar 4"], undefined, { contexts: { c: "docker-image://bare" } }],
];

for (const [text, warnings, error, wish] of CASES) {
  test(`--check: ${JSON.stringify(text)}`, async () => assert.deepEqual(await check(text, wish), { warnings, error }));
}

test("--call=outline: of an argument that is declared twice the last counts; what FROM's platform takes is one", async () => {
  const text = "ARG P=linux/amd64\nARG B=busybox\nFROM --platform=$P $B\nARG A=1\nARG A=2";
  const dockerfile = parseDockerfile(text);
  const input = { dockerfile, request: REQUEST, host: HOST, ignore: [], images: { resolve: async (name: string) => baseImage(name, HOST) }, signal: new AbortController().signal };
  const { args } = JSON.parse(await answerOnly("outline", { request: REQUEST, definition: { name: "Dockerfile", text: Buffer.from(text) }, dockerfile, input, plan: () => plan(text) })) as { args: readonly { readonly name: string; readonly value?: string }[] };
  assert.deepEqual(args.map(({ name, value }) => [name, value]), [["P", "linux/amd64"], ["B", "busybox"], ["A", "2"]]);
});
