/**
 * The options of `docker top`, which are those of ps: `-ef`, `aux`, `-o pid,args`, `-eo pid=ID,user`. Which processes
 * are listed is settled, so options that choose some say nothing. Pure.
 */
import { fail } from "#base/errors.ts";

export type Column = { readonly field: string; readonly title: string };

/** Name in -o: its field here, and its title. */
const COLUMNS: Readonly<Record<string, readonly [string, string]>> = {
  pid: ["pid", "PID"], ppid: ["ppid", "PPID"], pgid: ["pgid", "PGID"], pgrp: ["pgid", "PGRP"], sid: ["sid", "SID"], sess: ["sid", "SESS"],
  tgid: ["pid", "TGID"], uid: ["uid", "UID"], euid: ["uid", "EUID"], gid: ["gid", "GID"], egid: ["gid", "EGID"],
  user: ["user", "USER"], euser: ["user", "EUSER"], uname: ["user", "USER"], ruser: ["ruser", "RUSER"],
  group: ["group", "GROUP"], egroup: ["group", "EGROUP"], rgroup: ["rgroup", "RGROUP"],
  c: ["c", "C"], pcpu: ["pcpu", "%CPU"], "%cpu": ["pcpu", "%CPU"], pmem: ["pmem", "%MEM"], "%mem": ["pmem", "%MEM"],
  vsz: ["vsz", "VSZ"], vsize: ["vsz", "VSZ"], rss: ["rss", "RSS"], rssize: ["rss", "RSS"], rsz: ["rss", "RSZ"], sz: ["sz", "SZ"],
  tty: ["tty", "TT"], tt: ["tty", "TT"], tname: ["tty", "TTY"], s: ["s", "S"], state: ["s", "S"], stat: ["stat", "STAT"],
  start: ["stime", "STARTED"], start_time: ["stime", "START"], stime: ["stime", "STIME"], bsdstart: ["stime", "START"], lstart: ["lstart", "STARTED"],
  etime: ["etime", "ELAPSED"], etimes: ["etimes", "ELAPSED"], time: ["time", "TIME"], cputime: ["time", "TIME"], bsdtime: ["bsdtime", "TIME"],
  ni: ["ni", "NI"], nice: ["ni", "NI"], pri: ["pri", "PRI"], nlwp: ["nlwp", "NLWP"], thcount: ["nlwp", "THCNT"], psr: ["psr", "PSR"],
  comm: ["comm", "COMMAND"], ucmd: ["comm", "CMD"], ucomm: ["comm", "COMMAND"], args: ["args", "COMMAND"], cmd: ["args", "CMD"], command: ["args", "COMMAND"],
};

const named = (text: string): Column[] => text.split(" ").map((word) => (([field, title]) => ({ field: field!, title: title! }))(word.split("=")));
const FORMS: Readonly<Record<string, readonly Column[]>> = {
  plain: named("pid=PID tty=TTY time=TIME comm=CMD"),
  f: named("user=UID pid=PID ppid=PPID c=C stime=STIME tty=TTY time=TIME args=CMD"),
  F: named("user=UID pid=PID ppid=PPID c=C sz=SZ rss=RSS psr=PSR stime=STIME tty=TTY time=TIME args=CMD"),
  l: named("s=S uid=UID pid=PID ppid=PPID c=C pri=PRI ni=NI sz=SZ tty=TTY time=TIME comm=CMD"),
  bsd: named("pid=PID tty=TTY stat=STAT bsdtime=TIME args=COMMAND"),
  u: named("user=USER pid=PID pcpu=%CPU pmem=%MEM vsz=VSZ rss=RSS tty=TTY stat=STAT stime=START bsdtime=TIME args=COMMAND"),
};

/** @throws invalid */
export function columnsOf(options: string): Column[] {
  const words = options.split(/\s+/).filter((word) => word !== "");
  const asked: Column[] = [];
  let form: readonly Column[] | undefined;
  while (words.length > 0) {
    const word = words.shift()!;
    const format = formatOf(word, words);
    if (format !== undefined) asked.push(...parseFormat(format));
    else form = formOf(word) ?? form;
  }
  const columns = asked.length > 0 ? asked : [...(form ?? FORMS["plain"]!)];
  if (!columns.some(({ field }) => field === "pid")) throw fail("invalid", "couldn't find PID field in ps output");
  return columns;
}

/** -o X, -oX, -eo X, --format X, --format=X, o X: the X. */
function formatOf(word: string, rest: string[]): string | undefined {
  const joined = /^(?:-[eAa]*o|--format=)(.+)$/.exec(word);
  if (joined !== null) return joined[1]!;
  if (!/^(-?[eAaxw]*o|--format)$/.test(word)) return undefined;
  const format = rest.shift();
  if (format === undefined) throw fail("invalid", "ps: error: format specification must follow -o");
  return format;
}

/** "pid,user,args=CMD": behind "=" the rest is one title. */
function parseFormat(format: string): Column[] {
  const columns: Column[] = [];
  for (let rest = format; rest !== ""; ) {
    const match = /^([^,=]+)(?:=(.*)|,|$)/.exec(rest);
    const name = match?.[1]?.toLowerCase() ?? "";
    const known = Object.hasOwn(COLUMNS, name) ? COLUMNS[name] : undefined;
    if (match === null || known === undefined) throw fail("invalid", `ps: error: unknown user-defined format specifier ${JSON.stringify(name)}`);
    const title = match[2] ?? known[1];
    if (match[2]?.startsWith("PID")) throw fail("invalid", `specifying "${name}=${match[2]}" is not allowed`);
    columns.push({ field: known[0], title });
    rest = rest.slice(match[0].length);
  }
  return columns;
}

/** Letters that choose a form; those that only choose processes, or width, choose none. */
function formOf(word: string): readonly Column[] | undefined {
  const unix = word.startsWith("-");
  const letters = unix ? word.slice(1) : word;
  if (!(unix ? /^[eAadfFlwNHjLmTcy]+$/ : /^[axuwefglr]+$/).test(letters)) throw fail("invalid", `ps: error: unsupported option ${JSON.stringify(word)}`);
  if (!unix) return letters.includes("u") ? FORMS["u"] : letters.includes("l") ? FORMS["l"] : FORMS["bsd"];
  return ["F", "f", "l"].filter((letter) => letters.includes(letter)).map((letter) => FORMS[letter])[0];
}
