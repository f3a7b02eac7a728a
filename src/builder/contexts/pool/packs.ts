/** The packs on the disk, and which of them are believed. See pool.ts. */
import { close, fdatasync, open as openFile, write } from "node:fs";
import { mkdir, readdir, readFile, rename, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { kindOf } from "#base/errors.ts";
import { SLICE, takeTurns } from "#base/turns.ts";
import type { Digest } from "#spec/digest.ts";
import type { FilePlace } from "../../tree.ts";
import { decodeRecords, encodeRecords, RECORD, type PackRecord } from "./records.ts";

export type PacksOptions = {
  /** A folder of its own. */
  readonly folder: string;
  /** Makes all that was written before it was called durable. */
  readonly sync: () => Promise<void>;
  /** Of this start of the machine: what was written in it needs no sync to be believed. */
  readonly boot: string;
};

export type Pack = {
  readonly id: number;
  readonly path: string;
  size: number;
  /** Bytes of its index. */
  indexed: number;
  file: number | undefined;
  index: number | undefined;
  /** A writer has it. */
  busy: boolean;
};

export type Place = FilePlace & { readonly pack: Pack; mark: number };

export type Packs = {
  find(digest: Digest): Place | undefined;
  /** A pack to append to, for one writer alone; `fresh`: a new one. */
  take(fresh?: boolean): Promise<Pack>;
  append(pack: Pack, bytes: Uint8Array): Promise<void>;
  /** From here on they can be found. Records of what is there already replace it. */
  add(pack: Pack, records: readonly PackRecord[]): void;
  /** Writes records of what was added, and gives the pack back. */
  give(pack: Pack, records: readonly PackRecord[]): Promise<void>;
  /** A pack in which nothing is that anybody knows of. */
  drop(pack: Pack): Promise<void>;
  /** `content`: of `bytes` what is no index. */
  usage(): { bytes: number; content: number; files: number };
  mark(): (digest: Digest) => boolean;
  reach(digest: Digest): boolean;
  sweep(move: (places: readonly Place[]) => Promise<void>): Promise<number>;
  hold(): Disposable;
  close(): Promise<void>;
};

export const PACK_BYTES = 64 * 2 ** 20;
/** Of a pack that is less alive than this, what lives is moved. */
const ALIVE = 0.5;
/** Packs that are kept open for the next writer. */
const OPEN = 4;
/** After the last write, until everything is synced in the background. */
const SETTLE_MS = 3000;

const opened = promisify(openFile);
const closed = promisify(close);
const synced = promisify(fdatasync);
const writeAt = promisify(write) as unknown as (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => Promise<{ bytesWritten: number }>;

export async function openPacks({ folder, sync, boot }: PacksOptions): Promise<Packs> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const state = await readState(folder);
  const places = new Map<Digest, Place>();
  const packs = new Map<number, Pack>();
  const holds = new Set<number>();
  let retired: { readonly pack: Pack; readonly since: number }[] = [];
  let serial = 0;
  let epoch = 0;
  let next = state.next;
  let timer: NodeJS.Timeout | undefined;
  /** Something was written that no sync covers yet. */
  let unsettled = false;
  let settling: Promise<void> = Promise.resolve();
  let unlinking: Promise<unknown> = Promise.resolve();
  await load();
  await writeState();

  const reach = (digest: Digest) => {
    const place = places.get(digest);
    if (place === undefined || place.mark === epoch) return false;
    place.mark = epoch;
    return true;
  };
  return {
    find: (digest) => places.get(digest),
    take,
    append,
    add,
    async give(pack, records) {
      try {
        for (let at = 0; at < records.length; at += SLICE) {
          const bytes = encodeRecords(records.slice(at, at + SLICE));
          await writeAll(pack.index!, bytes, pack.indexed);
          pack.indexed += bytes.length;
        }
      } finally {
        pack.busy = false;
      }
      const others = [...packs.values()].filter(({ file, busy }) => file !== undefined && !busy).length;
      if (pack.size >= PACK_BYTES || others > OPEN) await shut(pack);
      settleLater();
    },
    async drop(pack) {
      pack.busy = false;
      await remove(pack);
    },
    usage() {
      const all = [...packs.values(), ...retired.map(({ pack }) => pack)];
      const content = all.reduce((sum, { size }) => sum + size, 0);
      return { content, bytes: all.reduce((sum, { indexed }) => sum + indexed, content), files: places.size };
    },
    mark: () => (epoch++, reach),
    reach,
    sweep,
    hold() {
      const mine = ++serial;
      holds.add(mine);
      return { [Symbol.dispose]: () => void (holds.delete(mine) && unlinkRetired()) };
    },
    async close() {
      clearTimeout(timer);
      await Promise.all([settling, unlinking]);
      await Promise.all([...packs.values()].map(shut));
      if (unsettled) await settle();
    },
  };

  /** Another start of the machine: of each pack only what was synced is left, and what was never synced goes. */
  async function load(): Promise<void> {
    const names = await readdir(folder);
    const ids = names.filter((name) => /^\d+\.pack$/.test(name)).map((name) => Number.parseInt(name, 10));
    next = Math.max(next, ...ids.map((id) => id + 1));
    for (const name of names) {
      const id = Number.parseInt(name, 10);
      const known = state.boot === boot || state.packs[id] !== undefined;
      const paired = name === `${id}.pack` ? names.includes(`${id}.index`) : name === `${id}.index` && names.includes(`${id}.pack`);
      if (name !== "state" && !(known && paired)) await unlink(`${folder}/${name}`);
      else if (name === `${id}.pack`) await loadPack(id);
    }
  }

  async function loadPack(id: number): Promise<void> {
    const path = `${folder}/${id}.pack`;
    const trusted = state.boot === boot ? undefined : state.packs[id];
    if (trusted !== undefined) await Promise.all([cut(path, trusted[0]), cut(indexPath(id), trusted[1])]);
    const index = await readFile(indexPath(id));
    const { size } = await stat(path);
    const pack: Pack = { id, path, size, indexed: index.length - (index.length % RECORD), file: undefined, index: undefined, busy: false };
    packs.set(id, pack);
    const turns = takeTurns();
    for (let at = 0; at < index.length; at += SLICE * RECORD) {
      await turns(SLICE);
      add(pack, decodeRecords(index.subarray(at, at + SLICE * RECORD)).filter(({ offset, length }) => offset + length <= size));
    }
  }

  function indexPath(id: number): string {
    return `${folder}/${id}.index`;
  }

  async function take(fresh = false): Promise<Pack> {
    const free = fresh ? undefined : [...packs.values()].find(({ busy, size }) => !busy && size < PACK_BYTES);
    const id = free?.id ?? next++;
    const pack = free ?? { id, path: `${folder}/${id}.pack`, size: 0, indexed: 0, file: undefined, index: undefined, busy: true };
    pack.busy = true;
    packs.set(id, pack);
    try {
      pack.file ??= await opened(pack.path, free === undefined ? "wx" : "r+", 0o600);
      pack.index ??= await opened(indexPath(id), free === undefined ? "wx" : "r+", 0o600);
    } catch (error) {
      pack.busy = false;
      await (free === undefined ? remove(pack) : shut(pack)).catch(() => undefined);
      throw error;
    }
    return pack;
  }

  async function append(pack: Pack, bytes: Uint8Array): Promise<void> {
    const at = pack.size;
    pack.size += bytes.length;
    await writeAll(pack.file!, bytes, at);
  }

  function add(pack: Pack, records: readonly PackRecord[]): void {
    for (const { digest, offset, length } of records) places.set(digest, { path: pack.path, offset, length, pack, mark: epoch });
  }

  async function sweep(move: (places: readonly Place[]) => Promise<void>): Promise<number> {
    const alive = new Map<Pack, Place[]>([...packs.values()].filter(({ busy }) => !busy).map((pack) => [pack, []]));
    for (const place of places.values()) if (place.mark === epoch) alive.get(place.pack)?.push(place);
    const doomed = [...alive].filter(([{ size }, live]) => live.length === 0 || bytesOf(live) < size * ALIVE);
    // Not to be appended to meanwhile, and what is dead in them not to be found.
    for (const [pack] of doomed) pack.busy = true;
    for (const [digest, { pack, mark }] of places) if (mark !== epoch && pack.busy && alive.has(pack)) places.delete(digest);
    let freed = 0;
    try {
      // First what needs no room for others.
      for (const [pack, live] of doomed.toSorted(([, a], [, b]) => bytesOf(a) - bytesOf(b))) {
        if (live.length > 0) await move(live);
        freed += pack.size - bytesOf(live);
        await retire(pack);
      }
    } catch (error) {
      // On a full disk nothing can be written anew: another time.
      if (kindOf(error) !== "exhausted") throw error;
    } finally {
      for (const [pack] of doomed) pack.busy = false;
      unlinkRetired();
    }
    await unlinking;
    return freed;
  }

  /** Whoever was told a place in it before may be about to open it. */
  async function retire(pack: Pack): Promise<void> {
    packs.delete(pack.id);
    await shut(pack);
    await unlink(indexPath(pack.id));
    retired.push({ pack, since: serial });
  }

  function unlinkRetired(): void {
    const oldest = Math.min(Infinity, ...holds);
    const free = retired.filter(({ since }) => oldest > since);
    if (free.length === 0) return;
    retired = retired.filter(({ since }) => oldest <= since);
    unlinking = Promise.allSettled([unlinking, ...free.map(({ pack }) => unlink(pack.path))]);
  }

  async function remove(pack: Pack): Promise<void> {
    packs.delete(pack.id);
    await shut(pack);
    const gone = await Promise.allSettled([unlink(pack.path), unlink(indexPath(pack.id))]);
    const failed = gone.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  function settleLater(): void {
    unsettled = true;
    clearTimeout(timer);
    timer = setTimeout(() => void (settling = settle()), SETTLE_MS);
    timer.unref();
  }

  /** Sizes first: what is appended while the sync goes on is not covered by it. */
  async function settle(): Promise<void> {
    const covered = sizes();
    unsettled = false;
    try {
      await sync();
      await writeState(covered);
    } catch {
      // Then less is believed after the machine goes down, that is all.
      unsettled = true;
    }
  }

  function sizes(): State["packs"] {
    return Object.fromEntries([...packs.values()].filter(({ busy }) => !busy).map(({ id, size, indexed }) => [id, [size, indexed] as const]));
  }

  async function writeState(covered: State["packs"] = trustedNow()): Promise<void> {
    const file = await opened(`${folder}/state.new`, "w", 0o600);
    await writeAll(file, Buffer.from(JSON.stringify({ boot, next, packs: covered } satisfies State)), 0);
    await synced(file);
    await closed(file);
    await rename(`${folder}/state.new`, `${folder}/state`);
  }

  /** At the start: what was covered before, as far as it is still there. */
  function trustedNow(): State["packs"] {
    return Object.fromEntries(Object.entries(state.packs).filter(([id]) => packs.has(Number(id))));
  }
}

const bytesOf = (places: readonly Place[]): number => places.reduce((sum, { length }) => sum + length, 0);

type State = {
  readonly boot: string;
  readonly next: number;
  /** Id → bytes of the pack and of its index that are durable. */
  readonly packs: Readonly<Record<string, readonly [number, number]>>;
};

async function readState(folder: string): Promise<State> {
  try {
    return JSON.parse(await readFile(`${folder}/state`, "utf8")) as State;
  } catch {
    return { boot: "", next: 1, packs: {} };
  }
}

async function cut(path: string, size: number): Promise<void> {
  if ((await stat(path)).size > size) await truncate(path, size);
}

async function shut(pack: Pack): Promise<void> {
  const { file, index } = pack;
  pack.file = pack.index = undefined;
  if (file !== undefined) await closed(file);
  if (index !== undefined) await closed(index);
}

async function writeAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await writeAt(file, bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
