/**
 * Who a container's process is: `--user` and the image's passwd and group files → ids. Pure.
 *
 * A user of digits is an id and never looked up as a name; ids are 0 … 2^31-1 in plain decimal (ID-09). A line of the
 * files that is not well-formed is passed over: it never means root.
 */
import { fail } from "#base/errors.ts";

export type ResolvedUser = {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one first (ID-08). */
  readonly groups: readonly number[];
  readonly home: string;
};

export type UserFiles = { readonly passwd: string; readonly group: string };

/** The files are read up to this many bytes (ID-11); larger ones are an error. */
export const USER_FILE_LIMIT = 10 << 20;

const LARGEST = 2 ** 31 - 1;

/** So that a builder can tell it as its own. */
const UNKNOWN = { facts: { unknownAccount: true } };

/** `spec` is "", "uid", "name", each with ":gid" or ":group". @throws invalid, with Docker's texts */
export function resolveUser(spec: string, files: UserFiles, groupAdd: readonly string[] = []): ResolvedUser {
  const [userName = "", groupName = "", ...more] = spec.split(":");
  if (more.length > 0) throw fail("invalid", `unable to find user ${spec}: no matching entries in passwd file`, UNKNOWN);
  const account = findUser(userName, files.passwd);
  const membership = groupsOf(account, groupName, files.group);
  const added = groupAdd.map((name) => addedGroup(name, files.group));
  return {
    uid: account.uid,
    gid: membership.gid,
    groups: [...new Set([membership.gid, ...membership.groups, ...added])],
    home: account.home === "" ? "/" : account.home,
  };
}

type Account = { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string };

function findUser(name: string, passwd: string): Account {
  const id = name === "" ? 0 : parseId(name, "user");
  for (const line of lines(passwd)) {
    const [entry = "", , uid = "", gid = "", , home = ""] = line.split(":");
    if (id === undefined ? entry !== name : uid !== String(id)) continue;
    const [ownId, ownGroup] = [plainId(uid), plainId(gid)];
    if (ownId !== undefined && ownGroup !== undefined) return { name: entry, uid: ownId, gid: ownGroup, home };
  }
  if (id === undefined) throw fail("invalid", `unable to find user ${name}: no matching entries in passwd file`, UNKNOWN);
  return { name: "", uid: id, gid: 0, home: "/" };
}

/** With a group given the user's other groups do not count. */
function groupsOf(account: Account, name: string, group: string): { gid: number; groups: number[] } {
  if (name !== "") return { gid: findGroup(name, group) ?? noGroup(name), groups: [] };
  if (account.name === "") return { gid: account.gid, groups: [] };
  const groups: number[] = [];
  for (const line of lines(group)) {
    const [, , gid = "", members = ""] = line.split(":");
    const id = plainId(gid);
    if (id !== undefined && members.split(",").includes(account.name)) groups.push(id);
  }
  return { gid: account.gid, groups };
}

function noGroup(name: string): never {
  throw fail("invalid", `unable to find group ${name}: no matching entries in group file`, UNKNOWN);
}

function addedGroup(name: string, group: string): number {
  const gid = findGroup(name, group);
  if (gid === undefined) throw fail("invalid", `Unable to find group ${name}`);
  return gid;
}

function findGroup(name: string, group: string): number | undefined {
  const id = parseId(name, "group");
  if (id !== undefined) return id;
  for (const line of lines(group)) {
    const [entry, , gid = ""] = line.split(":");
    if (entry === name && plainId(gid) !== undefined) return plainId(gid);
  }
  return undefined;
}

/** Undefined for a name. What looks like a number and is none that can be had is refused, not looked up. */
function parseId(text: string, what: string): number | undefined {
  const id = plainId(text);
  if (id !== undefined) return id;
  if (/^[+-]?\d+$/.test(text)) throw fail("invalid", `unable to find ${what} ${text}: uids and gids must be in range 0-${LARGEST}`);
  return undefined;
}

function plainId(text: string): number | undefined {
  return /^(0|[1-9]\d{0,9})$/.test(text) && Number(text) <= LARGEST ? Number(text) : undefined;
}

/** Lines that are entries, one at a time: a file may be large. */
function* lines(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end < 0 ? text.length : end).trim();
    if (line !== "" && !line.startsWith("#")) yield line;
    if (end < 0) return;
    start = end + 1;
  }
}
