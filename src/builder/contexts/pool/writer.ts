/** Takes files into the pool: for one intake at a time. See pool.ts. */
import { hash } from "node:crypto";
import type { Digest } from "#spec/digest.ts";
import { FRAME, type GrowingFile, growingFile, writeFailure } from "./growing-file.ts";
import type { Pack, Packs } from "./packs.ts";
import type { PackRecord } from "./records.ts";

export type PoolWriter = AsyncDisposable & {
  /** What it has put or found: kept from collection until it is disposed. */
  readonly reached: ReadonlySet<Digest>;
  /** A file of at most SMALL bytes; they are copied. */
  put(bytes: Uint8Array): Digest;
  /** The same for what is there already, elsewhere. */
  move(bytes: Uint8Array): void;
  /** A large file. `like`: it may be this one, of the pool: then it is compared with it, and written from where it differs. */
  begin(like?: Digest): GrowingFile;
  /** Too much is on its way to the disk: to be awaited before more is put. */
  drain(): Promise<void> | undefined;
  /** All that was put can be found from here on. @throws exhausted when there is no room */
  finish(): Promise<void>;
};

/** What is put whole. */
export const SMALL = 4 * 2 ** 20;
/** Files of a frame: all are placed at once. */
const FILES = 8192;
/** Frames on their way to the disk. */
const AHEAD = 4;

export function openWriter(packs: Packs, onClose: () => void): PoolWriter {
  const reached = new Set<Digest>();
  const growing = new Set<GrowingFile>();
  /** What is compared with stays where it is. */
  const hold = packs.hold();
  /** Put, and not to be found yet. */
  const pending = new Set<Digest>();
  const spare: Buffer[] = [];
  let pack: Pack | undefined;
  let indexed: PackRecord[] = [];
  let frame = newFrame();
  let writing: Promise<void> = Promise.resolve();
  let ahead = 0;
  let failure: unknown;
  let open = true;

  return {
    reached,
    put(bytes) {
      const digest: Digest = `sha256:${hash("sha256", bytes, "hex")}`;
      reached.add(digest);
      if (packs.find(digest) === undefined && !pending.has(digest)) take(digest, bytes);
      return digest;
    },
    move(bytes) {
      take(`sha256:${hash("sha256", bytes, "hex")}`, bytes);
    },
    begin(like) {
      if (like !== undefined) reached.add(like);
      const file = growingFile(packs, { like, reach: (digest) => void reached.add(digest) });
      growing.add(file);
      return file;
    },
    drain: () => (failure === undefined && ahead < AHEAD ? undefined : settled()),
    finish: settle,
    async [Symbol.asyncDispose]() {
      if (!open) return;
      open = false;
      await Promise.allSettled([...growing].map((file) => file.abort()));
      await settle().catch(() => undefined);
      hold[Symbol.dispose]();
      onClose();
    },
  };

  function newFrame(): { bytes: Buffer; used: number; records: PackRecord[] } {
    return { bytes: spare.pop() ?? Buffer.allocUnsafeSlow(FRAME), used: 0, records: [] };
  }

  function take(digest: Digest, bytes: Uint8Array): void {
    pending.add(digest);
    if (bytes.length > FRAME - frame.used || frame.records.length === FILES) flush();
    if (bytes.length > FRAME) return send(Buffer.from(bytes), [{ digest, offset: 0, length: bytes.length }]);
    frame.bytes.set(bytes, frame.used);
    frame.records.push({ digest, offset: frame.used, length: bytes.length });
    frame.used += bytes.length;
  }

  function flush(): void {
    if (frame.records.length === 0) return;
    const { bytes, used, records } = frame;
    send(bytes.subarray(0, used), records, () => void spare.push(bytes));
    frame = newFrame();
  }

  function send(bytes: Buffer, records: readonly PackRecord[], done?: () => void): void {
    ahead++;
    const before = writing;
    writing = (async () => {
      await before;
      pack ??= await packs.take();
      const { size } = pack;
      await packs.append(pack, bytes);
      const placed = records.map((record) => ({ ...record, offset: size + record.offset }));
      packs.add(pack, placed);
      for (const { digest } of records) pending.delete(digest);
      // One by one: a frame of very small files has more than a call has arguments.
      for (const record of placed) indexed.push(record);
      ahead--;
      done?.();
    })();
    writing.catch((error: unknown) => (failure ??= error));
  }

  async function settled(): Promise<void> {
    await writing.catch(() => undefined);
    if (failure !== undefined) throw writeFailure(failure);
  }

  async function settle(): Promise<void> {
    flush();
    await writing.catch(() => undefined);
    if (pack !== undefined) {
      const [used, records] = [pack, indexed];
      pack = undefined;
      indexed = [];
      await packs.give(used, records);
    }
    if (failure !== undefined) throw writeFailure(failure);
  }
}
