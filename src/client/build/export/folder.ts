/**
 * Files that an exporter sends into a folder of ours (`--output type=local`): entries first, then the bytes of those that we
 * ask for. Names are the other side's: none leads out of the folder, neither by itself nor through a link, be the link ours
 * or one that was sent before.
 */
import { chmodSync, closeSync, fchmodSync, futimesSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, utimesSync, writeSync } from "node:fs";
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
  /** Files that were asked for: of many there may be leave to have few open. */
  readonly coming: Map<number, Coming>;
  /** Set at the end: writing into a folder changes its times, and may not be allowed by its mode. */
  readonly late: Stat[];
  readonly links: Stat[];
};

type Coming = { readonly stat: Stat; /** From its first byte on. */ open: { readonly fd: number; readonly part: string } | undefined };

export async function receiveFolder(call: Incoming, root: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  const state: Receiving = { root, folders: new Set(), coming: new Map(), late: [], links: [] };
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
    for (const { open } of state.coming.values()) {
      if (open === undefined) continue;
      closeSync(open.fd);
      rmSync(open.part, { force: true });
    }
    // What still comes is for nobody: its descriptor may be another file's by then.
    state.coming.clear();
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
  state.coming.set(place, { stat: told, open: undefined });
  return true;
}

/** True: that was the last of it. */
function write(state: Receiving, id: number, data: Buffer): boolean {
  const file = state.coming.get(id);
  if (file === undefined) throw fail("invalid", `the engine sends a file that was not asked for (${id})`);
  const { fd, part } = (file.open ??= openPart(checked(state, file.stat.path), id));
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
  if (data.length > 0) return false;
  const { path: name, modTime } = file.stat;
  fchmodSync(fd, bitsOf(file.stat));
  futimesSync(fd, seconds(modTime), seconds(modTime));
  const path = checked(state, name);
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) clear(state, name, path, true);
  renameSync(part, path);
  state.coming.delete(id);
  closeSync(fd);
  return true;
}

/** Beside the file, by a name of its own: the file's may be as long as names can be. */
function openPart(path: string, id: number): { fd: number; part: string } {
  const part = `${path.slice(0, path.lastIndexOf("/"))}/.${process.pid}.${id}.part`;
  return { fd: openSync(part, "wx", 0o600), part };
}

function finish(state: Receiving): void {
  for (const told of state.links) {
    const path = checked(state, told.path);
    const target = checked(state, told.linkname);
    if (!lstatSync(target).isFile()) throw fail("invalid", `the engine sends a hard link to what is no file: ${told.linkname}`);
    clear(state, told.path, path, true);
    linkSync(target, path);
  }
  for (const told of state.late.toReversed()) settleFolder(checked(state, told.path), told);
}

function settleFolder(path: string, told: Stat): void {
  if (!lstatSync(path).isDirectory()) throw fail("invalid", `the engine sends something else in the place of the folder ${JSON.stringify(told.path)}`);
  chmodSync(path, bitsOf(told));
  utimesSync(path, seconds(told.modTime), seconds(told.modTime));
}

const bitsOf = ({ mode }: Stat): number => (mode & 0o777) + (mode & MODE.setuid ? 0o4000 : 0) + (mode & MODE.setgid ? 0o2000 : 0) + (mode & MODE.sticky ? 0o1000 : 0);

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
