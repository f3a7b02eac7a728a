/** For tests: a real shim with a resolver in a network namespace of its own, and somebody inside who asks. */
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { closeSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { Readable, type Duplex } from "node:stream";
import { stringList } from "#linux/encode.ts";
import { openStage, type Launched, type Stage } from "#linux/shim-fixture.ts";
import { CLONE } from "#linux/constants.ts";
import type { NamesTold, ShimEvent } from "#linux/shim.ts";
import type { Program } from "#linux/ops.ts";
import { loopbackOps } from "../drivers/endpoint.ts";
import { resolverOp } from "./dns.ts";
import { ask, read, type Question, type Told } from "./message-fixture.ts";
import { buildZone, SUPERSEDED, type ZoneEndpoint } from "./zone.ts";

export type Resolver = AsyncDisposable & {
  readonly stage: Stage;
  readonly container: Launched;
  tell(names: Partial<NamesTold>): Promise<void>;
  /** Writes a zone as the engine does; its path. */
  zone(name: string, endpoints: readonly Partial<ZoneEndpoint>[]): string;
  /** Undefined: no answer. */
  ask(question: Question | Buffer): Promise<Told | undefined>;
  asked(question: Question | Buffer): Promise<Buffer | undefined>;
  tcp(questions: readonly (Question | Buffer)[], way?: "tcp" | "cut"): Promise<Buffer[]>;
  query(): Promise<ShimEvent & { type: "query" }>;
};

const relay = fileURLToPath(new URL("relay-fixture.ts", import.meta.url));
const message = (question: Question | Buffer) => (Buffer.isBuffer(question) ? question : ask(question));

/** `late`: the resolver is made when the container runs, as at `network connect`. */
export async function openResolver(names: Partial<NamesTold>, { late = false } = {}): Promise<Resolver> {
  const stage = await openStage();
  const inside: Program = [{ op: "unshare", flags: CLONE.NEWNET }, ...loopbackOps(), ...(late ? [] : [resolverOp])];
  const node = { op: "exec", candidates: stringList([process.execPath]), argv: stringList([process.execPath, relay]), env: stringList([]) } as const;
  const queries: (ShimEvent & { type: "query" })[] = [];
  const waiting: ((query: ShimEvent & { type: "query" }) => void)[] = [];
  const container = await stage.launch({ init: [...inside, node], flags: 2, logMaxSize: 0, logMaxFiles: 1, log: "" });
  const control = await container.connect({
    onEvent: (event) => {
      if (event.type !== "query") return;
      const next = waiting.shift();
      if (next === undefined) queries.push(event);
      else next(event);
    },
  });
  const tell = (more: Partial<NamesTold>) => control.names({ forward: true, zones: [], links: [], ...more });
  await tell({ ...names, open: false });
  const stream = await container.attach();
  const lines = createInterface({ input: Readable.from(unframed(stream)) })[Symbol.asyncIterator]();
  await control.start();
  await lines.next();
  const answered = new Map<string, (answers: Buffer[]) => void>();
  void (async () => {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const [number = "", ...hex] = line.value.split(" ");
      answered.get(number)?.(hex[0] === "-" ? [] : hex.map((one) => Buffer.from(one, "hex")));
      answered.delete(number);
    }
  })().catch(() => {});
  let count = 0;
  const through = (way: string, messages: readonly Buffer[]) =>
    new Promise<Buffer[]>((resolve) => {
      answered.set(String(++count), resolve);
      stream.write(`${count} ${way} ${messages.map((one) => one.toString("hex")).join(" ")}\n`);
    });
  if (late) await tell({ ...names, open: true });
  const asked = async (question: Question | Buffer) => (await through("udp", [message(question)]))[0];
  return {
    stage,
    container: { ...container, shim: control },
    tell,
    zone: (name, endpoints) => writeZone(`${stage.dir}/${name}`, buildZone(endpoints.map((one) => ({ name: "", container: "", networkName: name, address: "", address6: "", ...one })))),
    asked,
    ask: async (question) => {
      const answer = await asked(question);
      return answer === undefined ? undefined : read(answer);
    },
    tcp: (questions, way = "tcp") => through(way, questions.map(message)),
    query: async () => queries.shift() ?? (await new Promise((resolve) => waiting.push(resolve))),
    async [Symbol.asyncDispose]() {
      stream.destroy();
      await control[Symbol.asyncDispose]();
      await container[Symbol.asyncDispose]();
      await stage[Symbol.asyncDispose]();
    },
  };
}

export function writeZone(path: string, bytes: Buffer): string {
  writeFileSync(`${path}.new`, bytes);
  try {
    const old = openSync(path, "r+");
    writeSync(old, SUPERSEDED, 0, SUPERSEDED.length, 0);
    closeSync(old);
  } catch {
    // The first of its name.
  }
  renameSync(`${path}.new`, path);
  return path;
}

/** Docker's frames taken off. */
async function* unframed(stream: Duplex): AsyncGenerator<Buffer> {
  let input: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    input = Buffer.concat([input, chunk as Buffer]);
    while (input.length >= 8 && input.length >= 8 + input.readUInt32BE(4)) {
      const end = 8 + input.readUInt32BE(4);
      yield input.subarray(8, end);
      input = input.subarray(end);
    }
  }
}
