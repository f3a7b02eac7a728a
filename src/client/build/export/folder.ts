/**
 * Files that an exporter sends into a folder of ours (`--output type=local`): entries first, then the bytes of those that we
 * ask for. Names are the other side's: none leads out of the folder, neither by itself nor through a link, be the link ours
 * or one that was sent before.
 */
import { chmodSync, closeSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, utimesSync, writeSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { Of } from "#base/protobuf.ts";
import { MODE, PACKET, packet, type stat } from "#spec/buildkit/session.ts";
import { isFile } from "../files/encode.ts";
import type { Incoming } from "../rpc/serve.ts";

type Stat = Of<typeof stat>;
type Receiving = {
  readonly root: string;
  /** Folders that were seen to be folders, not links, since nothing has been put in their place. */
  readonly folders: Set<string>;
  readonly open: Map<number, { readonly fd: number; readonly part: string; readonly stat: Stat }>;
  /** Set at the end: writing into a folder changes its times, and may not be allowed by its mode. */
  readonly late: Stat[];
  readonly links: Stat[];
};

export async function receiveFolder(call: Incoming, root: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  const state: Receiving = { root, folders: new Set(), open: new Map(), late: [], links: [] };
  const say = (message: Parameters<typeof packet.encode>[0]) => call.send(frame(packet.encode(message, HEADROOM)));
  let places = 0;
  let toldAll = false;
  let asked = 0;
  let finished = false;
  const finishWhenDone = () => {
    if (finished || !toldAll || asked > 0) return;
    finished = true;
    finish(state);
    say({ type: PACKET.finish });
  };
  call.head();
  try {
    await call.receive(async (message) => {
      const { type, stat: told, id, data } = packet.decode(message);
      if (type === PACKET.error) throw fail("internal", `error from sender: ${data.toString()}`);
      if (type === PACKET.stat && told === undefined) toldAll = true;
      else if (type === PACKET.stat) {
        const place = places++;
        if (!make(state, told!, place)) return;
        asked++;
        if (!say({ type: PACKET.request, id: place })) await call.room();
      } else if (type === PACKET.data && write(state, id, data)) asked--;
      finishWhenDone();
    });
  } finally {
    for (const { fd, part } of state.open.values()) {
      closeSync(fd);
      rmSync(part, { force: true });
    }
  }
}

/** True: its bytes are needed. */
function make(state: Receiving, told: Stat, place: number): boolean {
  const path = checked(state, told.path);
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if ((told.mode & MODE.directory) !== 0) {
    if (existing !== undefined && !existing.isDirectory()) rmSync(path);
    if (existing?.isDirectory() !== true) mkdirSync(path);
    state.folders.add(told.path);
    state.late.push(told);
    return false;
  }
  if ((told.mode & MODE.symlink) !== 0) {
    clear(state, told.path, path, existing !== undefined);
    symlinkSync(told.linkname, path);
    lutimesSync(path, seconds(told.modTime), seconds(told.modTime));
    return false;
  }
  // Devices and pipes are nothing to be made by who only wanted files.
  if (!isFile(told.mode)) return false;
  if (told.linkname !== "") {
    state.links.push(told);
    return false;
  }
  const part = `${path}.${process.pid}.${place}.part`;
  state.open.set(place, { fd: openSync(part, "wx", 0o600), part, stat: told });
  return true;
}

/** True: that was the last of it. */
function write(state: Receiving, id: number, data: Buffer): boolean {
  const file = state.open.get(id);
  if (file === undefined) throw fail("invalid", `the engine sends a file that was not asked for (${id})`);
  for (let at = 0; at < data.length; ) at += writeSync(file.fd, data, at);
  if (data.length > 0) return false;
  closeSync(file.fd);
  state.open.delete(id);
  const path = checked(state, file.stat.path);
  settle(file.part, file.stat);
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) clear(state, file.stat.path, path, true);
  renameSync(file.part, path);
  return true;
}

function finish(state: Receiving): void {
  for (const told of state.links) {
    const path = checked(state, told.path);
    const target = checked(state, told.linkname);
    if (!lstatSync(target).isFile()) throw fail("invalid", `the engine sends a hard link to what is no file: ${told.linkname}`);
    clear(state, told.path, path, true);
    linkSync(target, path);
  }
  for (const told of state.late.toReversed()) settle(checked(state, told.path), told);
}

function settle(path: string, { mode, modTime }: Stat): void {
  chmodSync(path, (mode & 0o777) + (mode & MODE.setuid ? 0o4000 : 0) + (mode & MODE.setgid ? 0o2000 : 0) + (mode & MODE.sticky ? 0o1000 : 0));
  utimesSync(path, seconds(modTime), seconds(modTime));
}

function clear(state: Receiving, name: string, path: string, exists: boolean): void {
  if (!exists) return;
  rmSync(path, { recursive: true, force: true });
  for (const folder of state.folders) if (folder === name || folder.startsWith(`${name}/`)) state.folders.delete(folder);
}

/** The path here: every folder on the way is one, in our root. @throws invalid */
function checked({ root, folders }: Receiving, name: string): string {
  const parts = name.split("/");
  if (name === "" || name.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) throw fail("invalid", `the engine sends a file by a wrong name: ${JSON.stringify(name)}`);
  for (let end = 1; end < parts.length; end++) {
    const folder = parts.slice(0, end).join("/");
    if (folders.has(folder)) continue;
    const found = lstatSync(`${root}/${folder}`, { throwIfNoEntry: false });
    if (!found?.isDirectory()) throw fail("invalid", `the engine sends ${JSON.stringify(name)}, but ${JSON.stringify(folder)} is no folder`);
    folders.add(folder);
  }
  return `${root}/${name}`;
}

const seconds = (nanoseconds: bigint): number => Number(nanoseconds / 1000n) / 1e6;
