/** --chown: ids, or names that the base's passwd and group files have. On either side of a colon nothing means 0. */
import { fail } from "#base/errors.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";

export type Owner = { readonly uid: number; readonly gid: number };

const RESOLVE_IN_ROOT = 0x10 | 0x02;
const LIMIT = 10 << 20;
const ENOENT = 2;
const ROOT = 42;
const LARGEST = 2 ** 32 - 2;

/** `open`: ops that put the tree, to be read, into a slot. The files are read only if a name has to be looked up. @throws invalid */
export async function resolveOwner(text: string, kernel: Kernel, open: (slot: number) => Program): Promise<Owner> {
  const [user, group, ...more] = text.split(":").map((part) => (part === "" ? "0" : part)) as [string, ...string[]];
  if (more.length > 0 || text === "") throw fail("invalid", `invalid user or group in --chown=${text}`);
  const needsFiles = idOf(user) === undefined || (group !== undefined && idOf(group) === undefined);
  const files = needsFiles ? await readFiles(kernel, open) : { passwd: "", group: "" };
  const account = idOf(user) === undefined ? find(files.passwd, user) : { uid: idOf(user)!, gid: idOf(user)! };
  if (account === undefined) throw unknown("user", user);
  if (group === undefined) return account;
  const gid = idOf(group) ?? findGroup(files.group, group);
  if (gid === undefined) throw unknown("group", group);
  return { uid: account.uid, gid };
}

const unknown = (what: string, name: string) => fail("invalid", `unable to convert uid/gid chown string to host mapping: can't find ${what === "user" ? "uid" : "gid"} for ${what} ${name}: no such ${what}: ${name}`);

function idOf(text: string): number | undefined {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return id <= LARGEST ? id : undefined;
}

/** Lines that are not well-formed are passed over: they never mean root. */
function find(passwd: string, name: string): Owner | undefined {
  for (const line of passwd.split("\n")) {
    const [entry, , uid = "", gid = ""] = line.split(":");
    if (entry === name && idOf(uid) !== undefined && idOf(gid) !== undefined) return { uid: idOf(uid)!, gid: idOf(gid)! };
  }
  return undefined;
}

function findGroup(groups: string, name: string): number | undefined {
  for (const line of groups.split("\n")) {
    const [entry, , gid = ""] = line.split(":");
    if (entry === name && idOf(gid) !== undefined) return idOf(gid);
  }
  return undefined;
}

async function readFiles(kernel: Kernel, open: (slot: number) => Program): Promise<{ passwd: string; group: string }> {
  const read = (path: string) => ({ op: "readFile", dir: ROOT, path, resolve: RESOLVE_IN_ROOT, max: LIMIT, tolerate: ENOENT }) as const;
  const program: Program = [...open(ROOT), read("etc/passwd"), read("etc/group")];
  const outputs = await kernel.perform(program, { forked: "if needed" });
  const text = (back: number) => outputs.get(program.length - back)?.toString("utf8") ?? "";
  return { passwd: text(2), group: text(1) };
}
