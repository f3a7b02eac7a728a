import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "#base/errors.ts";
import type { BuildEvent, ToldInstruction } from "#builder/events.ts";
import { openTranscript, type Message, type TranscriptOptions } from "./transcript.ts";

type Teller = { tell(...events: BuildEvent[]): string; done(image?: string): string; failed(error: unknown): Message | undefined; readonly messages: Message[] };

/** Ids are shown as they come, "<0>" and on: the first is the base's. */
function open(instructions: readonly ToldInstruction[], options: Partial<TranscriptOptions> = {}): Teller {
  const messages: Message[] = [];
  const seen = options.seen ?? new Set<string>();
  const transcript = openTranscript({ tags: [], removed: true, removedOnFailure: false, noCache: false, ...options, seen }, (message) => messages.push(message));
  transcript.report({ kind: "dockerfile", meta: [], froms: [{ text: "FROM a", line: 1 }], instructions: instructions.length, emptyContinuations: [] });
  if (instructions.length > 0) transcript.report({ kind: "instructions", instructions, unusedArgs: [] });
  let told = 0;
  const names = new Map<string, string>();
  const since = (): string => messages.slice(told, (told = messages.length)).map((message) => ("stream" in message ? message.stream : "")).join("").replace(/[0-9a-f]{12}/g, (id) => names.get(id) ?? (names.set(id, `<${names.size}>`), names.get(id)!));
  since();
  return {
    messages,
    tell: (...events) => (events.forEach(transcript.report), since()),
    done: (image) => (transcript.done(image), since()),
    failed: (error) => (transcript.failed(error) ? messages.at(-1) : undefined),
  };
}

const from = (stage = ""): ToldInstruction => ({ text: "FROM a", stage, onBuild: false, line: 1, image: "sha256:aaaaaaaaaaaaaaaa" });
const run = (vertex: string, stage = ""): ToldInstruction => ({ text: `RUN ${vertex}`, stage, onBuild: false, line: 2, vertex });
const config = (text: string): ToldInstruction => ({ text, stage: "", onBuild: false, line: 3 });
const started = (id: string): BuildEvent => ({ kind: "vertex", id, name: "", inputs: [], started: 1n });
const made = (id: string): BuildEvent => ({ kind: "vertex", id, name: "", inputs: [], started: 1n, completed: 2n, result: id });
const found = (id: string): BuildEvent => ({ kind: "vertex", id, name: "", inputs: [], started: 1n, completed: 1n, cached: true, result: id });
const log = (vertex: string, text: string, stream: 1 | 2 = 1): BuildEvent => ({ kind: "log", vertex, stream, data: Buffer.from(text), time: 1n });

test("a step is told as it goes on", () => {
  const { tell } = open([from(), run("x"), config("CMD y")]);
  assert.equal(tell(started("x")), " ---> Running in <1>\n");
  assert.equal(tell(log("x", "out\n"), log("x", "err", 2)), "out\n\u001b[91merr\u001b[0m");
  assert.equal(tell(made("x")), "Removing intermediate container <1>\n ---> <2>\nStep 3/3 : CMD y\n ---> Running in <3>\nRemoving intermediate container <3>\n ---> <4>\n");
});

test("what is done at once is told in the order of the Dockerfile", () => {
  const { tell } = open([from("a"), run("x", "a"), from("b"), run("y", "b")]);
  assert.equal(tell(started("y"), log("y", "of y\n"), made("y")), "");
  assert.equal(tell(started("x"), log("x", "of x\n")), " ---> Running in <1>\nof x\n");
  assert.equal(tell(made("x")), "Removing intermediate container <1>\n ---> <2>\nStep 3/4 : FROM a\n ---> <0>\nStep 4/4 : RUN y\n ---> Running in <3>\nof y\nRemoving intermediate container <3>\n ---> <4>\n");
});

test("the same build once more has the same ids, and uses the cache", () => {
  const seen = new Set<string>();
  const steps = [from(), run("x"), config("CMD y")];
  const ids = (text: string): string[] => [...text.matchAll(/ ---> (<\d+>)/g)].map(([, id]) => id!);
  const first = open(steps, { seen });
  first.tell(made("x"));
  const again = open(steps, { seen });
  assert.equal(again.tell(found("x")).replace(/<\d+>/g, "<>"), " ---> Using cache\n ---> <>\nStep 3/3 : CMD y\n ---> Using cache\n ---> <>\n");
  const last = ({ messages }: Teller): Message | undefined => messages.at(-1);
  assert.deepEqual(last(again), last(first));
  assert.equal(ids(open(steps, { seen, noCache: true }).tell(made("x"))).length, 2);
});

test("a step whose result is an image is told by its id, which is waited for", () => {
  const messages: string[] = [];
  const transcript = openTranscript({ tags: [], removed: true, removedOnFailure: false, noCache: false, seen: new Set() }, (message) => messages.push("stream" in message ? message.stream : ""));
  transcript.report({ kind: "dockerfile", meta: ["ARG x"], froms: [{ text: "FROM a", line: 2 }], instructions: 3, emptyContinuations: [] });
  transcript.report({ kind: "instructions", instructions: [from(), { ...run("x"), hasImage: true }, { ...config("CMD y"), hasImage: true }], unusedArgs: [] });
  transcript.report(made("x"));
  assert.match(messages.at(-1)!, / ---> Running in/);
  transcript.image(2, "sha256:cccccccccccccccc");
  assert.match(messages.at(-1)!, / ---> Running in/);
  transcript.image(1, "sha256:bbbbbbbbbbbbbbbb");
  assert.deepEqual(messages.filter((text) => text.startsWith(" ---> ") && !text.includes("Running")), [" ---> aaaaaaaaaaaa\n", " ---> bbbbbbbbbbbb\n", " ---> cccccccccccc\n"]);
});

test("what is pulled stands under its FROM", () => {
  const { tell, messages } = open([]);
  tell({ kind: "vertex", id: "p", name: "[internal] load metadata for a", inputs: [] });
  const status = (id: string, name: string): BuildEvent => ({ kind: "status", vertex: "p", id, name, current: 0, total: 0, started: 1n });
  assert.equal(tell(status("1", "Pulling from a"), status("", "Digest: d")), "Step 1/0 : FROM a\n");
  assert.deepEqual(messages.slice(-2), [{ status: "Pulling from a", id: "1", progressDetail: {} }, { status: "Digest: d" }]);
  assert.equal(tell({ kind: "instructions", instructions: [from(), config("CMD x")], unusedArgs: [] }).split("Step 2/2")[0], " ---> <0>\n");
});

test("letters that come in two pieces are whole", () => {
  const { tell } = open([from(), run("x")]);
  const bytes = Buffer.from("é");
  tell(started("x"));
  assert.equal(tell({ kind: "log", vertex: "x", stream: 1, data: bytes.subarray(0, 1), time: 1n }, { kind: "log", vertex: "x", stream: 1, data: bytes.subarray(1), time: 1n }), "é");
});

test("triggers stand under their FROM, which says at the end what came of them", () => {
  const trigger = (text: string, vertex?: string): ToldInstruction => ({ text, stage: "", onBuild: true, line: 1, ...(vertex !== undefined && { vertex }) });
  const { tell, done } = open([from(), trigger("RUN t", "t"), trigger("ENV a=b"), config("CMD x")]);
  assert.equal(tell(made("t")), " ---> Running in <0>\nRemoving intermediate container <0>\n ---> Running in <1>\nRemoving intermediate container <1>\n ---> <2>\nStep 2/2 : CMD x\n ---> Running in <3>\nRemoving intermediate container <3>\n ---> <4>\n");
  assert.equal(done("sha256:0123456789abcdef"), "Successfully built <5>\n");
});

test("a step that fails is told, even if one before it was given up", () => {
  const build = open([from("a"), run("x", "a"), from("b"), run("y", "b")]);
  build.tell(started("x"), started("y"), log("y", "last words\n"));
  const failure = fail("internal", "no", { facts: { vertex: "y", exitCode: 3, classic: "The command 'y' returned a non-zero code: 3" } });
  assert.deepEqual(build.failed(failure), { errorDetail: { code: 3, message: "The command 'y' returned a non-zero code: 3" }, error: "The command 'y' returned a non-zero code: 3" });
  assert.match(build.messages.map((message) => ("stream" in message ? message.stream : "")).join(""), /Step 4\/4 : RUN y\n ---> Running in [0-9a-f]{12}\nlast words\n$/);
});

test("a request that is wrong is no stream; a base image that cannot be had is told at its FROM", () => {
  assert.equal(open([]).failed(fail("invalid", "there is no such stage")), undefined);
  assert.deepEqual(open([]).failed(fail("invalid", "invalid port", { facts: { lines: [2, 2] } })), { errorDetail: { message: "invalid port" }, error: "invalid port" }, "what is wrong with a line is told in the stream");
  const build = open([]);
  assert.deepEqual(build.failed(fail("not-found", "no such image", { facts: { lines: [1, 1] } })), { errorDetail: { message: "no such image" }, error: "no such image" });
  assert.deepEqual(build.messages[0], { stream: "Step 1/0 : FROM a" });
});
