/**
 * Folders with blobs by digest (OCI layouts), which the engine reads and writes: a cache in a folder, a context that is an
 * image in a folder. containerd's content service, as far as builders use it.
 */
import { closeSync, createReadStream, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { CONTENT, CONTENT_STORE, infoRequest, infoResponse, readRequest, readResponse, WRITE, writeRequest, writeResponse } from "#spec/buildkit/content.ts";
import type { Incoming, Method } from "../rpc/serve.ts";

/** `stores`: folders by the name that the engine calls them by. */
export function contentMethods(stores: ReadonlyMap<string, string>): [string, Method][] {
  return [
    [`${CONTENT}/Info`, (call) => info(call, folderOf(stores, call))],
    [`${CONTENT}/Read`, (call) => read(call, folderOf(stores, call))],
    [`${CONTENT}/Write`, (call) => write(call, folderOf(stores, call))],
  ];
}

function folderOf(stores: ReadonlyMap<string, string>, call: Incoming): string {
  const name = call.values(CONTENT_STORE)[0] ?? "";
  const folder = stores.get(name);
  if (folder === undefined) throw fail("not-found", `no such content store: ${name}`);
  return folder;
}

/** Digests are the engine's words: nothing but a digest makes a path. */
function blobPath(folder: string, digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw fail("invalid", `invalid digest ${JSON.stringify(digest)}`);
  return `${folder}/blobs/sha256/${digest.slice("sha256:".length)}`;
}

async function info(call: Incoming, folder: string): Promise<void> {
  let asked = "";
  await call.receive((message) => void (asked = infoRequest.decode(message).digest));
  const found = statSync(blobPath(folder, asked), { throwIfNoEntry: false });
  if (found === undefined) throw fail("not-found", `content ${asked}: not found`);
  call.send(frame(infoResponse.encode({ info: { digest: asked, size: found.size } }, HEADROOM)));
}

async function read(call: Incoming, folder: string): Promise<void> {
  let asked = readRequest.decode(new Uint8Array());
  await call.receive((message) => void (asked = readRequest.decode(Buffer.from(message))));
  const { digest, offset, size } = asked;
  const path = blobPath(folder, digest);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw fail("not-found", `content ${digest}: not found`);
  let at = offset;
  for await (const data of createReadStream(path, { start: offset, ...(size > 0 ? { end: offset + size - 1 } : {}), highWaterMark: 2 ** 18 })) {
    if (!call.send(frame(readResponse.encode({ offset: at, data: data as Buffer }, HEADROOM)))) await call.room();
    at += (data as Buffer).length;
  }
}

/** Each message is answered. What is committed is what its digest says, whole, or nothing. */
async function write(call: Incoming, folder: string): Promise<void> {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const state = createHash("sha256");
  const blobs = `${folder}/blobs/sha256`;
  mkdirSync(blobs, { recursive: true });
  const part = `${blobs}/.${process.pid}.${performance.now().toString(36)}.part`;
  let fd: number | undefined = openSync(part, "wx", 0o644);
  let size = 0;
  const answer = (action: number, digest = "") => call.send(frame(writeResponse.encode({ action, offset: size, total: size, digest }, HEADROOM)));
  try {
    await call.receive((message) => {
      const { action, expected, offset, data } = writeRequest.decode(message);
      const path = blobPath(folder, expected);
      if (action === WRITE.stat) return void answer(action);
      if (data.length > 0) {
        if (offset !== size) throw fail("invalid", `write ${expected}: bytes at ${offset}, where ${size} are written`);
        for (let at = 0; at < data.length; ) at += writeSync(fd!, data, at);
        state.update(data);
        size += data.length;
      }
      if (action !== WRITE.commit) return void answer(action);
      const digest = `sha256:${state.digest("hex")}`;
      if (digest !== expected) throw fail("invalid", `write ${expected}: what came is ${digest}`);
      closeSync(fd!);
      fd = undefined;
      renameSync(part, path);
      answer(action, digest);
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
    rmSync(part, { force: true });
  }
}
