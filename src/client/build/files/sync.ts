/**
 * FileSync, from the side of who has the files: tells the folder's entries, then sends the bytes that are asked for.
 *
 * Before anything is told, the state as a whole has a name (token.ts). An engine that remembers it says so when it asks,
 * and is told nothing more.
 */
import { fail, messageOf } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { PACKET, packet, SYNC } from "#spec/buildkit/session.ts";
import type { Folder } from "../build.ts";
import type { Incoming, Method } from "../rpc/serve.ts";
import { isFile, openEntryWriter } from "./encode.ts";
import { openMemory } from "./memory.ts";
import { openFolder } from "./folder.ts";
import type { FileWish } from "./select.ts";
import type { Walked } from "./walk.ts";

/** Where files come from: a folder on the disk, or one in memory. */
export type Source = {
  /** Entries in the order of their paths. */
  walk(wish: FileWish, signal: AbortSignal): Promise<Walked>;
  /** The file's bytes from the beginning, in chunks. Each is gone when the next one is asked for. */
  read(path: string): Iterable<Buffer>;
};

/** What is told between two looks at whether there is room. */
const CHUNK = 2 ** 16;

export function fileSync(folders: ReadonlyMap<string, Folder>): Method {
  return async (call) => {
    const name = decoded(call, SYNC.folder)[0] ?? "";
    const folder = folders.get(name);
    if (folder === undefined) throw fail("not-found", `no access allowed to dir ${JSON.stringify(name)}`);
    const source = "path" in folder ? openFolder(folder.path, folder.ahead) : openMemory(folder.files);
    const wish = { include: decoded(call, SYNC.include), exclude: decoded(call, SYNC.exclude), follow: decoded(call, SYNC.follow) };
    await send(call, source, wish);
  };
}

async function send(call: Incoming, source: Source, wish: FileWish): Promise<void> {
  const requests = openRequests(call);
  try {
    const walked = await source.walk(wish, call.signal);
    await tell(call, walked);
    const sent = new Set<number>();
    await requests.answer(async (id) => {
      const listing = await walked.listing();
      const path = listing.paths[id];
      if (path === undefined || sent.has(id) || !isFile(listing.entry(id).mode)) throw fail("invalid", `invalid file id ${id}`);
      sent.add(id);
      await sendFile(call, source, id, path);
    });
  } catch (error) {
    call.send(frame(packet.encode({ type: PACKET.error, data: Buffer.from(messageOf(error)) }, HEADROOM)));
    throw error;
  }
}

/** Its name; then what it is, unless the engine knows that by the name. */
async function tell(call: Incoming, walked: Walked): Promise<void> {
  const state = walked.state();
  call.head([[SYNC.state, state]]);
  if (!call.values(SYNC.state).includes(state)) {
    const listing = await walked.listing();
    const writer = openEntryWriter();
    for (let place = 0; place < listing.paths.length; place++) {
      writer.write(listing.entry(place));
      if (writer.size() < CHUNK) continue;
      if (!call.send(writer.take())) await call.room();
    }
    call.send(writer.take());
  }
  call.send(frame(packet.encode({ type: PACKET.stat }, HEADROOM)));
}

async function sendFile(call: Incoming, source: Source, id: number, path: string): Promise<void> {
  for (const data of source.read(path)) {
    call.signal.throwIfAborted();
    if (!call.send(frame(packet.encode({ type: PACKET.data, id, data }, HEADROOM)))) await call.room();
  }
  // The end of this file; and the end of a file that is not there any more.
  if (!call.send(frame(packet.encode({ type: PACKET.data, id }, HEADROOM)))) await call.room();
}

type Requests = { answer(act: (id: number) => Promise<void>): Promise<void> };

/** What is asked for, from the first moment on, while entries are still told; answered one after another. */
function openRequests(call: Incoming): Requests {
  const waiting: number[] = [];
  let act: ((id: number) => Promise<void>) | undefined;
  let working: Promise<void> | undefined;
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await act!(id);
  };
  const wake = (): Promise<void> => (working ??= work().finally(() => void (working = undefined)));
  const over = Promise.withResolvers<void>();
  over.promise.catch(() => {});
  const received = call.receive((message) => {
    const { type, id, data } = packet.decode(message);
    if (type === PACKET.request) {
      waiting.push(id);
      if (act !== undefined) wake().catch(over.reject);
    } else if (type === PACKET.error) over.reject(fail("internal", `error from receiver: ${data.toString()}`));
    else if (type === PACKET.finish) over.resolve();
  });
  received.catch(over.reject);
  return {
    async answer(acting) {
      act = acting;
      wake().catch(over.reject);
      await over.promise;
      await working;
      call.send(frame(packet.encode({ type: PACKET.finish }, HEADROOM)));
    },
  };
}

/** Values that were escaped because of what is no ASCII in one of them. */
function decoded(call: Incoming, name: string): string[] {
  const values = call.values(name);
  if (call.values(`${name}-encoded`)[0] !== "1") return values;
  return values.map((value) => decodeURIComponent(value.replaceAll("+", " ")));
}
