/**
 * What a build has made goes to the client: an archive as it is (tar, oci, docker), or the files of one, from which the
 * client makes a folder (local). Then we are the sender of fsutil's protocol, and what comes out of the archive is told and
 * kept until it is asked for: at most WINDOW bytes at a time.
 */
import { fail } from "#base/errors.ts";
import { type ClientCall, type Metadata, method } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import { type TarEntry, tarReader } from "#base/tar.ts";
import { bytesMessage, METHODS, MODE, PACKET, packet, type stat, SYNC } from "#spec/buildkit/session.ts";
import type { Session } from "./sessions.ts";

const archiveCopy = method(METHODS.fileSend, bytesMessage, bytesMessage);
const filesCopy = method(METHODS.fileSend, packet, packet);

const WINDOW = 8 * 2 ** 20;
const PIECE = 256 * 1024;

export type Sending = { readonly index: number; readonly attributes: Readonly<Record<string, string>>; readonly signal: AbortSignal };

/** @throws what the client says of it: already-exists, say */
export async function sendArchive(session: Session, archive: AsyncIterable<Uint8Array>, { index, attributes, signal }: Sending): Promise<void> {
  if (!session.supports(METHODS.fileSend)) throw fail("invalid", `method ${METHODS.fileSend} not supported by the client`);
  const about = Object.entries(attributes).filter(([, value]) => /^[ -~]*$/.test(value)).map(([key, value]) => [`${SYNC.exporterMetadata}${key.toLowerCase()}`, [value]]);
  const call = session.client.stream(archiveCopy, { metadata: { ...exporterId(index), ...(Object.fromEntries(about) as Metadata) }, signal });
  const answered = drain(call);
  // The client's refusal ends the sending; it is told below.
  let refused = false;
  answered.catch(() => (refused = true));
  for await (const chunk of archive) {
    if (refused) break;
    for (let at = 0; at < chunk.length; at += PIECE) await call.send({ data: chunk.subarray(at, at + PIECE) });
  }
  call.end();
  await answered;
}

async function drain(call: ClientCall<unknown, unknown>): Promise<void> {
  for await (const _ of call.messages);
}

const exporterId = (index: number): Metadata => ({ [SYNC.exporter]: [String(index)] });

export async function sendFiles(session: Session, archive: AsyncIterable<Uint8Array>, { index, signal }: Sending): Promise<void> {
  if (!session.supports(METHODS.fileSend)) throw fail("invalid", `method ${METHODS.fileSend} not supported by the client`);
  const call = session.client.stream(filesCopy, { metadata: exporterId(index), signal });
  const desk = openDesk(call);
  const answered = (async () => {
    for await (const message of call.messages) desk.asked(message);
  })();
  answered.then(() => desk.broken(fail("unavailable", "send files: the client ended before it had everything")), (error: unknown) => desk.broken(error));
  try {
    const reader = tarReader();
    for await (const chunk of archive) {
      for (const event of reader.push(chunk)) {
        if (event.kind === "entry") await desk.entry(event.entry);
        else await desk.data(event.bytes, event.last);
      }
    }
    reader.end();
    await desk.finish();
    call.end();
    await answered;
  } catch (error) {
    call.cancel();
    throw error;
  }
}

type Desk = {
  entry(entry: TarEntry): Promise<void>;
  data(bytes: Buffer, last: boolean): Promise<void>;
  /** Everything was told: resolves when the client has all that it wants. */
  finish(): Promise<void>;
  asked(message: Of<typeof packet>): void;
  broken(error: unknown): void;
};

/** A file on its way: its bytes wait until it is asked for, then they go as they come. */
type Offered = { readonly id: number; asked: boolean; readonly waiting: Buffer[]; ended: boolean };

function openDesk(call: ClientCall<In<typeof packet>, unknown>): Desk {
  const offered = new Map<number, Offered>();
  /** Asked for, and something of it is here. */
  const ready = new Set<Offered>();
  const done = Promise.withResolvers<void>();
  done.promise.then(() => (over = true), () => (over = true));
  let over = false;
  let toldAll = false;
  let sending = false;
  let place = 0;
  let current: Offered | undefined;
  let waiting = 0;
  let room = Promise.withResolvers<void>();
  let before: Promise<void> = Promise.resolve();

  /** One message after another, whoever has them. */
  function say(message: In<typeof packet>): Promise<void> {
    before = before.then(() => call.send(message));
    before.catch(() => {});
    return before;
  }

  /** One file after another, as far as it is here: who receives them has few open. */
  async function sendReady(): Promise<void> {
    if (sending) return;
    sending = true;
    for (const file of ready) {
      ready.delete(file);
      for (let data; (data = file.waiting.shift()) !== undefined; ) {
        await say({ type: PACKET.data, id: file.id, data });
        waiting -= data.length;
        room.resolve();
      }
      if (file.ended && offered.delete(file.id)) await say({ type: PACKET.data, id: file.id });
    }
    sending = false;
  }

  function offer(file: Offered): void {
    if (!file.asked) return;
    ready.add(file);
    sendReady().catch(done.reject);
  }

  return {
    async entry(entry) {
      if (over) return await done.promise;
      const told = statOf(entry);
      if (told === undefined) return;
      const id = place++;
      current = entry.type === "file" ? { id, asked: false, waiting: [], ended: entry.size === 0 } : undefined;
      if (current !== undefined) offered.set(id, current);
      await say({ type: PACKET.stat, stat: told });
    },
    async data(bytes, last) {
      if (over) return await done.promise;
      const file = current as Offered;
      for (let at = 0; at < bytes.length; at += PIECE) file.waiting.push(Buffer.from(bytes.subarray(at, at + PIECE)));
      waiting += bytes.length;
      file.ended = last;
      offer(file);
      while (waiting > WINDOW && !over) {
        room = Promise.withResolvers();
        await Promise.race([room.promise, done.promise]);
      }
    },
    async finish() {
      toldAll = true;
      await say({ type: PACKET.stat });
      await done.promise;
      await before;
    },
    asked({ type, id, data }) {
      if (type === PACKET.error) return done.reject(fail("internal", `error from receiver: ${data.toString("utf8")}`));
      if (type === PACKET.finish && toldAll) {
        void say({ type: PACKET.finish });
        return done.resolve();
      }
      const file = offered.get(id);
      if (type !== PACKET.request || file === undefined || file.asked) return done.reject(fail("invalid", `send files: packet ${type} for ${id} was not expected`));
      file.asked = true;
      if (file.waiting.length > 0 || file.ended) offer(file);
    },
    broken: (error) => done.reject(error as Error),
  };
}

const types: Readonly<Record<TarEntry["type"], number>> = { file: 0, link: 0, directory: MODE.directory, symlink: MODE.symlink, fifo: MODE.fifo, char: MODE.device | MODE.character, block: MODE.device };

/** Undefined: the folder itself. */
function statOf(entry: TarEntry): In<typeof stat> | undefined {
  const path = pathOf(entry.name);
  if (path === "") return undefined;
  const bits = (entry.mode & 0o777) | (entry.mode & 0o4000 ? MODE.setuid : 0) | (entry.mode & 0o2000 ? MODE.setgid : 0) | (entry.mode & 0o1000 ? MODE.sticky : 0);
  return {
    path,
    mode: (bits | types[entry.type]) >>> 0,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    modTime: BigInt(entry.sec) * 1_000_000_000n + BigInt(entry.nsec),
    linkname: entry.type === "link" ? pathOf(entry.linkName) : entry.type === "symlink" ? entry.linkName.toString("utf8") : "",
    devmajor: entry.major,
    devminor: entry.minor,
    xattrs: Object.fromEntries(entry.xattrs.map(([name, value]) => [name.toString("utf8"), value])),
  };
}

const pathOf = (name: Buffer): string => name.toString("utf8").replace(/^(?:\.?\/)+/, "").replace(/\/+$/, "").replace(/^\.$/, "");
