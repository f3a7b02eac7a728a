/**
 * Whether this kernel runs another platform's programs: natively, or by an interpreter that is registered with binfmt_misc.
 * Its table is read, and nothing is tried out: no file is made, and nothing of the image is run (BLD-14).
 */
import { readdir, readFile } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import { formatPlatform, hostPlatform, type Platform } from "#spec/platform.ts";

const TABLE = "/proc/sys/fs/binfmt_misc";

/** @throws not-implemented, saying what to install */
export async function checkPlatform(platform: Platform, { host = hostPlatform(), table = TABLE }: { readonly host?: Platform; readonly table?: string } = {}): Promise<void> {
  if (platform.os !== host.os) throw fail("not-implemented", `RUN for ${formatPlatform(platform)}: this machine runs ${host.os} only`);
  if (isNative(platform, host)) return;
  const head = HEADS[platform.architecture];
  if (head !== undefined && (await interpreters(table)).some((entry) => matches(entry, head))) return;
  const what = `RUN for ${formatPlatform(platform)}: this machine is ${formatPlatform(host)}, and no interpreter for its programs is registered with binfmt_misc`;
  throw fail("not-implemented", `${what}: install one (Debian and Ubuntu: qemu-user-static and binfmt-support)`, { facts: { platform: formatPlatform(platform) } });
}

/** What processors run besides their own. */
const ALSO: Readonly<Record<string, readonly string[]>> = { amd64: ["386"], arm64: ["arm"] };

const isNative = (platform: Platform, host: Platform) => platform.architecture === host.architecture || (ALSO[host.architecture] ?? []).includes(platform.architecture);

/** What stands at the beginning of a program: class (32 or 64 bits), order of bytes, and e_machine of ELF. */
function elf(bits: 32 | 64, order: "little" | "big", machine: number): Buffer {
  const head = Buffer.alloc(20);
  head.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, order === "little" ? 1 : 2, 1]);
  // e_type 2: an executable.
  if (order === "little") head.writeUInt16LE(2, 16), head.writeUInt16LE(machine, 18);
  else head.writeUInt16BE(2, 16), head.writeUInt16BE(machine, 18);
  return head;
}

/** By Go's names. elf.h */
const HEADS: Readonly<Record<string, Buffer>> = {
  "386": elf(32, "little", 3), amd64: elf(64, "little", 62), arm: elf(32, "little", 40), arm64: elf(64, "little", 183), loong64: elf(64, "little", 258),
  mips64le: elf(64, "little", 8), mips64: elf(64, "big", 8), ppc64le: elf(64, "little", 21), riscv64: elf(64, "little", 243), s390x: elf(64, "big", 22),
};

/** Of a table that is not mounted: none. */
async function interpreters(table: string): Promise<Entry[]> {
  const names = (await readdir(table).catch(() => [])).filter((name) => name !== "register" && name !== "status");
  const texts = await Promise.all(names.map((name) => readFile(`${table}/${name}`, "utf8").catch(() => "")));
  return texts.flatMap((text) => parseEntry(text) ?? []);
}

type Entry = { readonly offset: number; readonly magic: Buffer; readonly mask: Buffer | undefined };

/** As the kernel shows it: "enabled", "interpreter …", "flags: …", "offset 0", "magic 7f45…", "mask ffff…". Undefined: not enabled, or by the name's end. */
function parseEntry(text: string): Entry | undefined {
  const [state, ...lines] = text.split("\n");
  const value = (name: string) => lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
  const magic = value("magic");
  if (state !== "enabled" || magic === undefined) return undefined;
  const mask = value("mask");
  return { offset: Number(value("offset") ?? 0), magic: Buffer.from(magic, "hex"), mask: mask === undefined ? undefined : Buffer.from(mask, "hex") };
}

/** Bytes past what we know of a program count as 0, as they are there in padding. */
function matches({ offset, magic, mask }: Entry, head: Buffer): boolean {
  return magic.length > 0 && magic.every((byte, index) => (((head[offset + index] ?? 0) ^ byte) & (mask?.[index] ?? 0xff)) === 0);
}
