/**
 * Archives that are compressed with xz or bzip2, which Node cannot read: by the host's programs of these names, in a sandbox,
 * which is quick and on another processor; by our own decoders where there are none. Everything else is passed on as it is.
 */
import { access, constants } from "node:fs/promises";
import { openChannel } from "#base/channel.ts";
import { fail } from "#base/errors.ts";
import { detectCompression } from "#base/streams.ts";
import { openSandbox, type SandboxParts } from "./sandbox.ts";

/** @throws invalid for what is damaged */
export type Expand = (bytes: AsyncIterable<Uint8Array>, options: { readonly what: string; readonly signal: AbortSignal }) => AsyncGenerator<Uint8Array>;

const PROGRAMS: Readonly<Record<string, string>> = { xz: "xz", bzip2: "bzip2" };
/** Enough to tell. */
const HEAD = 8;
const WAITING = 2 ** 21;
const NOT_FOUND = 127;

/** Without a sandbox: by our own decoders. */
export function openExpand(parts?: SandboxParts): Expand {
  return async function* (bytes, { what, signal }) {
    const source = bytes[Symbol.asyncIterator]();
    let head: Uint8Array = Buffer.alloc(0);
    async function* whole() {
      yield head;
      for (let next; (next = await source.next()).done !== true; ) yield next.value;
    }
    try {
      for (let next; head.length < HEAD && (next = await source.next()).done !== true; ) head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
      const program = PROGRAMS[detectCompression(head)];
      if (program === undefined) yield* whole();
      else if (parts !== undefined && (await isHere(program))) yield* through(parts, program, whole(), { what, signal });
      else yield* decode(program, whole(), what);
    } finally {
      await source.return?.();
    }
  };
}

async function isHere(program: string): Promise<boolean> {
  const places = ["/usr/local/bin", "/usr/bin", "/bin"].map((folder) => access(`${folder}/${program}`, constants.X_OK));
  return await Promise.any(places).then(() => true, () => false);
}

async function* decode(program: string, source: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  const read = program === "xz" ? (await import("#base/xz.ts")).readXz : (await import("#base/bzip2.ts")).readBzip2;
  yield* read(source, what);
}

async function* through(parts: SandboxParts, program: string, source: AsyncIterable<Uint8Array>, { what, signal }: { what: string; signal: AbortSignal }): AsyncGenerator<Uint8Array> {
  await using sandbox = await openSandbox(parts);
  const channel = openChannel(WAITING);
  const stop = new AbortController();
  const command = { script: 'exec "$1" -dc', args: [program], env: {}, stdin: source, take: (bytes: Buffer) => channel.push(Buffer.from(bytes)), signal: AbortSignal.any([signal, stop.signal]) };
  const running = sandbox.run(command).then(
    ({ code, stderr }) => channel.end(code === 0 ? undefined : failure(program, what, code, stderr.toString())),
    (error: Error) => channel.end(error),
  );
  try {
    yield* channel.chunks;
  } finally {
    stop.abort();
    channel.close();
    await running;
  }
}

function failure(program: string, what: string, code: number, said: string): Error {
  if (code === NOT_FOUND) return fail("not-implemented", `read ${what}: it is compressed with ${program}, and there is no program ${program} on this machine`);
  return fail("invalid", `read ${what}: its ${program} stream is damaged: ${said.replace(/[^\x20-\x7e]/g, " ").trim().slice(0, 200)}`);
}
