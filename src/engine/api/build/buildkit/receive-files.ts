/**
 * A folder of the client becomes a tree: it tells what there is, we ask for what we do not have. fsutil's protocol: entries
 * (each a `stat`), then one without; requests by the entries' places; data in pieces, the last one empty; finish both ways.
 */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { method } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import type { ContextSync } from "#builder/contexts/contexts.ts";
import type { FileEntry, FileTree } from "#builder/tree.ts";
import { METHODS, MODE, PACKET, packet, type stat, SYNC } from "#spec/buildkit/session.ts";
import { metadataOf } from "./metadata.ts";
import type { Session } from "./sessions.ts";

export const diffCopy = method(METHODS.fileSync, packet, packet);

export type FolderWish = {
  /** As the client calls it. */
  readonly name: string;
  /** Paths, wildcards in them, and what they lead to through links; none: everything. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly signal: AbortSignal;
  readonly told?: (bytes: number, done: boolean) => void;
};

/** Between two words about how much has come. */
const TELL_MS = 100;

/** @throws not-found when the client offers no such folder; invalid for names that lead out of it */
export async function receiveFiles(session: Session, sync: ContextSync, { name, include, exclude, signal, told = () => {} }: FolderWish): Promise<FileTree> {
  if (!session.supports(METHODS.fileSync)) throw fail("not-found", `no access allowed to dir ${JSON.stringify(name)}: no local sources enabled`);
  const metadata = metadataOf({ [SYNC.folder]: [name], [SYNC.follow]: include, [SYNC.exclude]: exclude, ...(sync.last === undefined ? {} : { [SYNC.state]: [sync.last.state] }) });
  const call = session.client.stream(diffCopy, { metadata, signal });
  const exchange = openExchange(sync, (message) => void call.send(message));
  let bytes = 0;
  let toldAt = performance.now();
  try {
    for await (const batch of call.batches) {
      for (const message of batch) {
        bytes += sizeOf(message);
        const room = exchange.take(message);
        if (room !== undefined) await room;
      }
      if (performance.now() - toldAt > TELL_MS) told(bytes, false), (toldAt = performance.now());
      if (exchange.isFinished()) call.end();
    }
  } catch (error) {
    // The client is told what was wrong with what it sent; else it would only see its stream end.
    if (kindOf(error) === "invalid") void call.send({ type: PACKET.error, data: Buffer.from(messageOf(error)) });
    call.cancel();
    throw signal.aborted ? fail("cancelled", `receive ${name}: cancelled`, { cause: error }) : error;
  }
  if (!exchange.isFinished()) throw fail("unavailable", `receive ${name}: the client ended before everything was sent`);
  const state = call.head(SYNC.state);
  // It is as it was: then nothing was told.
  if (state !== undefined && state === sync.last?.state) return sync.last.tree;
  const tree = await sync.finish(state);
  told(bytes, true);
  return tree;
}

/** About what it takes on the wire. */
const sizeOf = ({ stat: one, data }: Of<typeof packet>): number => data.length + (one === undefined ? 2 : one.path.length + one.linkname.length + 24);

type Exchange = { take(message: Of<typeof packet>): Promise<void> | undefined; isFinished(): boolean };

function openExchange(sync: ContextSync, send: (message: In<typeof packet>) => void): Exchange {
  /** The client counts what we leave out, too. */
  let place = 0;
  let kept = 0;
  const places = new Map<number, number>();
  let told = false;
  let asked = 0;
  let finished = false;

  function tell(told: Of<typeof stat>): void {
    const entry = entryOf(told);
    const here = place++;
    if (entry === undefined) return;
    const id = kept++;
    if (!sync.entry(entry)) return;
    places.set(here, id);
    asked++;
    send({ type: PACKET.request, id: here });
  }

  async function end(id: number): Promise<void> {
    await sync.end(id);
    asked--;
    finishIfDone();
  }

  function finishIfDone(): void {
    if (told && asked === 0) send({ type: PACKET.finish });
  }

  return {
    isFinished: () => finished,
    take({ type, stat: one, id: here, data }) {
      if (type === PACKET.stat) {
        if (told) throw fail("invalid", "receive files: an entry after the last");
        if (one !== undefined) return void tell(one);
        told = true;
        return void finishIfDone();
      }
      if (type === PACKET.data) {
        const id = places.get(here);
        if (id === undefined) throw fail("invalid", `receive files: data of ${here}, which was not asked for`);
        if (data.length > 0) return sync.data(id, data);
        places.delete(here);
        return end(id);
      }
      if (type === PACKET.finish && told && asked === 0) return void (finished = true);
      if (type === PACKET.error) throw fail("invalid", `error from sender: ${data.toString("utf8")}`);
      throw fail("invalid", `receive files: a packet of type ${type} was not expected`);
    },
  };
}

const { directory, symlink, device, fifo, socket, setuid, setgid, character, sticky } = MODE;
const has = (mode: number, bit: number): boolean => (mode & bit) !== 0;

/** Undefined: sockets are no part of a tree. */
export function entryOf({ path, mode, uid, gid, size, modTime, linkname, devmajor, devminor, xattrs, changed }: Of<typeof stat>): FileEntry | undefined {
  if (has(mode, socket)) return undefined;
  const type = typeOf(mode, linkname);
  const bits = (mode & 0o777) | (has(mode, setuid) ? 0o4000 : 0) | (has(mode, setgid) ? 0o2000 : 0) | (has(mode, sticky) ? 0o1000 : 0);
  return {
    path,
    type,
    mode: bits,
    uid,
    gid,
    mtime: modTime,
    ...(changed !== 0n && { changed }),
    size: type === "file" ? size : 0,
    ...((type === "symlink" || type === "hardlink") && { link: linkname }),
    ...((type === "char" || type === "block") && { device: { major: devmajor, minor: devminor } }),
    ...(Object.keys(xattrs).length > 0 && { xattrs }),
  };
}

function typeOf(mode: number, linkname: string): FileEntry["type"] {
  if (has(mode, directory)) return "directory";
  if (has(mode, symlink)) return "symlink";
  if (has(mode, fifo)) return "fifo";
  if (has(mode, device)) return has(mode, character) ? "char" : "block";
  return linkname === "" ? "file" : "hardlink";
}
