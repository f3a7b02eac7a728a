/** Modes as --chmod has them: a number, or chmod's words ("u=rwX,go-w"). Pure. */
import { fail } from "#base/errors.ts";

/** Of what was, what shall be. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const ACTION = /([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g;
const SHIFTS = { u: 6, g: 3, o: 0 } as const;
const READ = 4;
const WRITE = 2;
const EXECUTE = 1;
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;

/** @throws invalid */
export function compileMode(mode: number | string): ModeChange {
  if (typeof mode === "number") return () => mode & 0o7777;
  const clauses = mode.split(",").map((text) => compileClause(text, mode));
  // X asks what the file was before any of it, as BSD and BuildKit have it; GNU asks what it is by then.
  return (before, isDirectory) => clauses.reduce((value, clause) => clause(value, isDirectory || (before & 0o111) !== 0), before & 0o7777);
}

function compileClause(text: string, whole: string): (mode: number, executable: boolean) => number {
  const match = CLAUSE.exec(text);
  if (match === null) throw fail("invalid", `invalid chmod parameter: '${whole}'. it should be octal string and between 0 and 07777, or chmod's words`);
  const who = match[1] === "" ? "ugo" : match[1]!.replaceAll("a", "ugo");
  const actions = [...match[2]!.matchAll(ACTION)].map(([, sign, words]) => ({ sign: sign!, words: words! }));
  return (before, executable) => actions.reduce((value, { sign, words }) => act(value, { who, sign, words, executable }), before);
}

type Action = { readonly who: string; readonly sign: string; readonly words: string; readonly executable: boolean };

function act(mode: number, { who, sign, words, executable }: Action): number {
  const bits = bitsOf(mode, who, words, executable);
  if (sign === "+") return mode | bits;
  if (sign === "-") return mode & ~bits;
  return (mode & ~classesOf(who)) | bits;
}

/** The bits that belong to these classes: their nine, and set-id of theirs. */
function classesOf(who: string): number {
  let mask = 0;
  if (who.includes("u")) mask |= 0o700 | SETUID;
  if (who.includes("g")) mask |= 0o070 | SETGID;
  if (who.includes("o")) mask |= 0o007;
  return who.includes("u") && who.includes("g") && who.includes("o") ? mask | STICKY : mask;
}

function bitsOf(mode: number, who: string, words: string, executable: boolean): number {
  const copied = words.length === 1 && words in SHIFTS ? (mode >> SHIFTS[words as keyof typeof SHIFTS]) & 7 : undefined;
  const three = copied ?? (words.includes("r") ? READ : 0) | (words.includes("w") ? WRITE : 0) | (words.includes("x") || (words.includes("X") && executable) ? EXECUTE : 0);
  let bits = 0;
  for (const one of ["u", "g", "o"] as const) if (who.includes(one)) bits |= three << SHIFTS[one];
  if (words.includes("s")) bits |= (who.includes("u") ? SETUID : 0) | (who.includes("g") ? SETGID : 0);
  if (words.includes("t")) bits |= STICKY;
  return bits;
}
