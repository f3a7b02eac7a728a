/**
 * A large file on its way into a pack of its own. One that the pool seems to have already (the same name and length the last
 * time) is read there and compared instead: then nothing is written and nothing hashed. From where it differs it is a new file.
 */
import { open, type FileHandle } from "node:fs/promises";
import { fail, messageOf } from "#base/errors.ts";
import { hasher } from "#base/digest.ts";
import type { Digest } from "#spec/digest.ts";
import type { FilePlace } from "../../tree.ts";
import type { Pack, Packs } from "./packs.ts";

export type GrowingFile = {
  /** The bytes are copied. Undefined: there is room for more. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  end(): Promise<{ readonly digest: Digest; readonly size: number }>;
  abort(): Promise<void>;
};

export type GrowingOptions = { readonly like: Digest | undefined; /** Told what it turned out to be. */ readonly reach: (digest: Digest) => void };

export const FRAME = 2 ** 20;

export function growingFile(packs: Packs, { like, reach }: GrowingOptions): GrowingFile {
  const model = like === undefined ? undefined : packs.find(like);
  const state = hasher();
  let twin = model === undefined ? undefined : openTwin(model);
  let pack: Pack | undefined;
  let frame: Buffer = Buffer.allocUnsafeSlow(FRAME);
  let spare: Buffer | undefined;
  let used = 0;
  let size = 0;
  let working: Promise<void> = Promise.resolve();
  let ended = false;

  const store = async (bytes: Buffer) => {
    state.update(bytes);
    pack ??= await packs.take(true);
    await packs.append(pack, bytes);
  };
  /** It differs: what was the same until here is taken from there. */
  const part = async () => {
    const { same, close } = twin!;
    twin = undefined;
    for await (const bytes of same()) await store(bytes);
    await close();
  };
  const take = async (bytes: Buffer) => {
    if (twin !== undefined && (await twin.goesOn(bytes))) return;
    if (twin !== undefined) await part();
    await store(bytes);
  };
  /** Resolves when the frame before is done with. */
  const flush = (): Promise<void> => {
    const [full, bytes, before] = [frame, frame.subarray(0, used), working];
    working = before.then(() => take(bytes)).then(() => void (spare = full));
    working.catch(() => undefined);
    frame = spare ?? Buffer.allocUnsafeSlow(FRAME);
    spare = undefined;
    used = 0;
    return before;
  };
  const abort = async () => {
    if (ended) return;
    ended = true;
    await working.catch(() => undefined);
    await twin?.close().catch(() => undefined);
    if (pack !== undefined) await packs.drop(pack);
  };
  const finish = async (): Promise<Digest> => {
    if (used > 0) await flush();
    await working;
    if (twin?.isWhole() === true) return like!;
    if (twin !== undefined) await part();
    if (size === 0) await store(Buffer.alloc(0));
    return state.digest();
  };
  return {
    write(chunk) {
      let waits: Promise<void> | undefined;
      size += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        const piece = chunk.subarray(at, at + FRAME - used);
        frame.set(piece, used);
        used += piece.length;
        at += piece.length;
        if (used === FRAME) waits = flush();
      }
      return waits?.catch((error: unknown) => Promise.reject(writeFailure(error)));
    },
    async end() {
      const digest = await finish().catch(async (error: unknown) => {
        await abort();
        throw writeFailure(error);
      });
      reach(digest);
      if (packs.find(digest) !== undefined) {
        await abort();
        return { digest, size };
      }
      ended = true;
      const record = { digest, offset: 0, length: size };
      packs.add(pack!, [record]);
      await packs.give(pack!, [record]);
      return { digest, size };
    },
    abort,
  };
}

type Twin = {
  /** These bytes come next in the file there. */
  goesOn(bytes: Buffer): Promise<boolean>;
  isWhole(): boolean;
  /** What went on until now. */
  same(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
};

function openTwin({ path, offset, length }: FilePlace): Twin {
  const opening = open(path, "r");
  opening.catch(() => undefined);
  const own = Buffer.allocUnsafeSlow(FRAME);
  let done = 0;
  return {
    async goesOn(bytes) {
      if (done + bytes.length > length) return false;
      const there = await fill(await opening, own.subarray(0, bytes.length), offset + done);
      if (!there.equals(bytes)) return false;
      done += bytes.length;
      return true;
    },
    isWhole: () => done === length,
    async *same() {
      for (let at = 0; at < done; at += FRAME) yield await fill(await opening, own.subarray(0, Math.min(FRAME, done - at)), offset + at);
    },
    close: async () => (await opening).close(),
  };
}

/** As much of it as there is. */
async function fill(file: FileHandle, into: Buffer, position: number): Promise<Buffer> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return into.subarray(0, done);
}

/** In the words of whoever sends the files. */
export function writeFailure(error: unknown): Error {
  const code = (error as { code?: string }).code;
  if (code === "ENOSPC" || code === "EDQUOT") return fail("exhausted", "take in a context: no space left on device", { cause: error });
  return fail("internal", `take in a context: ${messageOf(error)}`, { cause: error });
}
