/** Standard input: its beginning says what it is. */
import { fail } from "#base/errors.ts";

export type Input = { readonly head: Buffer; readonly stream: AsyncIterable<Uint8Array> };

/** BuildKit's limit of a Dockerfile is less. */
const MAX_DOCKERFILE = 2 ** 27;
/** A block of tar. */
const HEAD = 512;

export async function openInput(): Promise<Input> {
  const chunks = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const parts: Buffer[] = [];
  let size = 0;
  let over = false;
  while (size < HEAD && !over) {
    const { value, done } = await chunks.next();
    if (done === true) over = true;
    else size += parts.push(value) && value.length;
  }
  const head = Buffer.concat(parts);
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield head;
    for (;;) {
      const { value, done } = over ? { value: undefined, done: true } : await chunks.next();
      if (done === true) return;
      yield value as Buffer;
    }
  }
  return { head, stream: stream() };
}

export async function readAll({ stream }: Input): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    parts.push(chunk);
    size += chunk.length;
    if (size > MAX_DOCKERFILE) throw fail("invalid", "the Dockerfile on standard input is too long");
  }
  return Buffer.concat(parts);
}

/** gzip, bzip2, xz, zstd, or a block of tar whose sum is right. */
export function looksLikeArchive(head: Uint8Array): boolean {
  const starts = (...bytes: number[]) => bytes.every((byte, at) => head[at] === byte);
  if (starts(0x1f, 0x8b, 0x08) || starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) || starts(0x28, 0xb5, 0x2f, 0xfd)) return true;
  if (head.length < HEAD) return false;
  const field = Buffer.from(head.subarray(148, 156)).toString("latin1").replace(/[\0 ]+$/, "").trim();
  let sum = 0;
  for (let at = 0; at < HEAD; at++) sum += at >= 148 && at < 156 ? 0x20 : head[at]!;
  return /^[0-7]+$/.test(field) && Number.parseInt(field, 8) === sum;
}
