/** RUN --mount=…: what it says, with Docker's defaults and words. Pure. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { mountFields } from "../dockerfile/mount-fields.ts";
import { didYouMean } from "../dockerfile/suggest.ts";

export type Mount = {
  readonly type: MountType;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Bytes; 0: no limit. */
  readonly size: number;
  readonly id: string;
  readonly sharing: Sharing | undefined;
  readonly required: boolean;
  /** Of a secret: the variable's name. */
  readonly env: string | undefined;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
};

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
export type Sharing = "shared" | "private" | "locked";

const TYPES = ["bind", "cache", "tmpfs", "secret", "ssh"] as const;
const SHARINGS = ["shared", "private", "locked"] as const;
const OF_FILES: ReadonlySet<MountType> = new Set(["secret", "ssh", "cache"]);

type Draft = { -readonly [K in keyof Mount]: Mount[K] } & { said: boolean };

/** @throws invalid */
export function parseMount(text: string, expand: (word: string) => string): Mount {
  const mount: Draft = {
    type: "bind", from: "", source: "", target: "", readOnly: false, size: 0, id: "", sharing: undefined, required: false, env: undefined, mode: undefined, uid: undefined, gid: undefined, said: false,
  };
  for (const { key, value, field } of mountFields(text)) {
    if (value === undefined) setSwitch(mount, key, field);
    else setField(mount, key, expand(value), field);
  }
  checkMount(mount);
  if (!mount.said) mount.readOnly = mount.type !== "cache" && mount.type !== "tmpfs";
  const { said: _, ...rest } = mount;
  return rest;
}

function setSwitch(mount: Draft, key: string, field: string): void {
  if (key === "readonly" || key === "ro") setReadOnly(mount, true);
  else if (key === "readwrite" || key === "rw") setReadOnly(mount, false);
  else if (key === "required") setRequired(mount, key, true);
  else throw fail("invalid", `invalid field '${field}' must be a key=value pair`);
}

function setReadOnly(mount: Draft, value: boolean): void {
  mount.readOnly = value;
  mount.said = true;
}

function setRequired(mount: Draft, key: string, value: boolean): void {
  if (mount.type !== "secret" && mount.type !== "ssh") throw unexpected(mount, key);
  mount.required = value;
}

type Setter = (mount: Draft, value: string, key: string) => void;

const source: Setter = (mount, value) => void (mount.source = value);
const target: Setter = (mount, value) => void (mount.target = value);

const SETTERS: Readonly<Record<string, Setter>> = {
  type: (mount, value) => void (mount.type = oneOf(TYPES, value, (word) => `unsupported mount type ${JSON.stringify(word)}`)),
  from: (mount, value) => void (mount.from = value),
  source,
  target,
  readonly: (mount, value, key) => setReadOnly(mount, flag(key, value)),
  id: (mount, value) => void (mount.id = value),
  sharing: (mount, value) => void (mount.sharing = oneOf(SHARINGS, value, (word) => `unsupported sharing value ${JSON.stringify(word)}`)),
  required: (mount, value, key) => setRequired(mount, key, flag(key, value)),
  size(mount, value, key) {
    if (mount.type !== "tmpfs") throw unexpected(mount, key);
    mount.size = parseSize(value) ?? raise(`invalid value for ${key}: ${value}`);
  },
  mode: (mount, value) => void (mount.mode = number(value, 8, "mode")),
  uid: (mount, value) => void (mount.uid = number(value, 10, "uid")),
  gid: (mount, value) => void (mount.gid = number(value, 10, "gid")),
  src: source,
  dst: target,
  destination: target,
  ro: (mount, value, key) => setReadOnly(mount, flag(key, value)),
  rw: (mount, value, key) => setReadOnly(mount, !flag(key, value)),
  readwrite: (mount, value, key) => setReadOnly(mount, !flag(key, value)),
  env: (mount, value) => void (mount.env = value),
};

function setField(mount: Draft, key: string, value: string, field: string): void {
  const setter = Object.hasOwn(SETTERS, key) ? SETTERS[key] : undefined;
  if (setter === undefined) throw fail("invalid", `unexpected key '${key}' in '${field}'${didYouMean(key, Object.keys(SETTERS), { exactCase: true })}`);
  setter(mount, value, key);
}

function checkMount({ type, from, source, target, id, sharing, mode, uid, gid }: Draft): void {
  for (const [name, value] of Object.entries({ mode, uid, gid })) {
    if (value !== undefined && !OF_FILES.has(type)) throw fail("invalid", `${name} not allowed for ${JSON.stringify(type)} type mounts`);
  }
  if (type === "secret") {
    if (from !== "") throw fail("invalid", "secret mount should not have a from");
    if (sharing !== undefined) throw fail("invalid", "secret mount should not define sharing");
    if (source === "" && target === "" && id === "") throw fail("invalid", "invalid secret mount. one of source, target required");
    if (source !== "" && id !== "") throw fail("invalid", "both source and id can't be set");
  }
  if (sharing !== undefined && type !== "cache") throw fail("invalid", `invalid cache sharing set for ${type} mount`);
}

function oneOf<T extends string>(words: readonly T[], value: string, text: (word: string) => string): T {
  return words.find((word) => word === value.toLowerCase()) ?? raise(text(value) + didYouMean(value, words, { exactCase: true }));
}

const TRUE = /^(1|t|T|true|TRUE|True)$/;
const FALSE = /^(0|f|F|false|FALSE|False)$/;

function flag(key: string, value: string): boolean {
  return TRUE.test(value) || (FALSE.test(value) ? false : raise(`invalid value for ${key}: ${value}`));
}

function number(value: string, base: 8 | 10, name: string): number {
  const digits = base === 8 ? /^[0-7]{1,12}$/ : /^[0-9]{1,10}$/;
  const result = digits.test(value) ? Number.parseInt(value, base) : Number.NaN;
  return result < 2 ** 32 ? result : raise(`invalid value ${value} for ${name}`);
}

const POWERS = ["", "k", "m", "g", "t", "p"];

/** "64m", "1.5GiB", "100": bytes. */
function parseSize(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^((?:\d{1,15}(?:\.\d{0,9})?|\.\d{1,9})(?:e\d)?) ?([kmgtp]?)i?b?$/i.exec(text) ?? [];
  return digits === "" ? undefined : Math.trunc(Number(digits) * 1024 ** POWERS.indexOf(unit.toLowerCase()));
}

const raise = (message: string): never => {
  throw fail("invalid", message);
};
const unexpected = (mount: Draft, key: string) => fail("invalid", `unexpected key '${key}' for mount type '${mount.type}'`);

/** Where it is mounted: relative to WORKDIR unless absolute. @throws invalid for the root itself */
export function mountTarget(target: string, directory: string): string {
  const clean = posix.normalize(posix.isAbsolute(target) ? target : posix.join("/", directory, target)).replace(/(?<=.)\/$/, "");
  if (clean === "/") throw fail("invalid", `invalid mount target ${JSON.stringify(clean)}`);
  return clean;
}
