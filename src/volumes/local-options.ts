/**
 * Options of the driver `local`: what is to be mounted where the volume's files are, and how much it may hold. Pure; the
 * texts are Docker's.
 *
 *     parseLocalOptions({ type: "nfs", o: "addr=10.0.0.1,ro", device: ":/srv" })
 *     parseLocalOptions({ size: "10g" })
 */
import { fail } from "#base/errors.ts";
import { MS } from "#linux/constants.ts";

export type LocalOptions = {
  readonly mount: LocalMount | undefined;
  /** Bytes; 0: no limit. */
  readonly size: number;
};

/** What mount(2) is told. */
export type LocalMount = {
  /** "" or "none" for a bind. */
  readonly type: string;
  readonly device: string;
  readonly flags: number;
  /** Propagation: set by a call of its own. */
  readonly propagation: number;
  /** What is for the file system, as given. */
  readonly data: string;
};

const KNOWN = new Set(["type", "o", "device", "size"]);
const NEEDED: Readonly<Record<string, readonly string[]>> = { device: ["type"], type: ["device"], o: ["device", "type"] };

/** @throws invalid */
export function parseLocalOptions(options: Readonly<Record<string, string>>): LocalOptions {
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw fail("invalid", `invalid option: ${JSON.stringify(name)}`);
  for (const [name, others] of Object.entries(NEEDED)) {
    const missing = Object.hasOwn(options, name) ? others.find((other) => !Object.hasOwn(options, other)) : undefined;
    if (missing !== undefined) throw fail("invalid", `missing required option: ${JSON.stringify(missing)}`);
  }
  const { type, device = "", o = "", size } = options;
  return { mount: type === undefined ? undefined : { type, device, ...parseWords(o) }, size: size === undefined ? 0 : parseBytes(size) };
}

/** Word → flags to set, flags to take back. */
const FLAGS: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  defaults: [0, 0], ro: [MS.RDONLY, 0], rw: [0, MS.RDONLY], suid: [0, MS.NOSUID], nosuid: [MS.NOSUID, 0],
  dev: [0, MS.NODEV], nodev: [MS.NODEV, 0], exec: [0, MS.NOEXEC], noexec: [MS.NOEXEC, 0], sync: [16, 0], async: [0, 16],
  dirsync: [128, 0], remount: [MS.REMOUNT, 0], mand: [64, 0], nomand: [0, 64], atime: [0, 1024], noatime: [1024, 0],
  diratime: [0, 2048], nodiratime: [2048, 0], bind: [MS.BIND, 0], rbind: [MS.BIND | MS.REC, 0],
  relatime: [1 << 21, 0], norelatime: [0, 1 << 21], strictatime: [1 << 24, 0], nostrictatime: [0, 1 << 24],
};
const PROPAGATIONS: Readonly<Record<string, number>> = { private: MS.PRIVATE, shared: MS.SHARED, slave: MS.SLAVE, unbindable: MS.UNBINDABLE };

function parseWords(text: string): Pick<LocalMount, "flags" | "propagation" | "data"> {
  let flags = 0;
  let propagation = 0;
  const data: string[] = [];
  for (const word of text.split(",")) {
    const flag = Object.hasOwn(FLAGS, word) ? FLAGS[word] : undefined;
    const kind = propagationOf(word);
    if (flag !== undefined) flags = (flags & ~flag[1]) | flag[0];
    else if (kind !== 0) propagation |= kind;
    else if (word !== "") data.push(word);
  }
  return { flags, propagation, data: data.join(",") };
}

function propagationOf(word: string): number {
  if (Object.hasOwn(PROPAGATIONS, word)) return PROPAGATIONS[word]!;
  const inner = word.startsWith("r") ? word.slice(1) : "";
  return Object.hasOwn(PROPAGATIONS, inner) ? PROPAGATIONS[inner]! | MS.REC : 0;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** "10g", "1.5 GiB". @throws invalid */
function parseBytes(text: string): number {
  const found = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (found === null) throw fail("invalid", `invalid size: '${text}'`);
  return Math.trunc(Number(found[1]) * UNITS[found[2]!.toLowerCase()]!);
}

/** The server of a network file system, where it is a name that the kernel cannot resolve. */
export function serverOf({ type, data }: LocalMount): string | undefined {
  if (type !== "nfs" && type !== "cifs") return undefined;
  return data.split(",").find((word) => word.startsWith("addr="))?.slice("addr=".length);
}

export const withServer = (mount: LocalMount, address: string): LocalMount => ({ ...mount, data: mount.data.split(",").map((word) => (word.startsWith("addr=") ? `addr=${address}` : word)).join(",") });
