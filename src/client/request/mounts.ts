import { resolve } from "node:path";
import { fail } from "#base/errors.ts";
import { parseBool } from "../flags/kinds.ts";
import { parseSize } from "../flags/units.ts";
import { splitCsv } from "#spec/csv.ts";

/** A mount as the API takes it. */
export type MountRequest = {
  Type?: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: { Propagation?: string; NonRecursive?: boolean; CreateMountpoint?: boolean; ReadOnlyNonRecursive?: boolean; ReadOnlyForceRecursive?: boolean; IDMapping?: string };
  VolumeOptions?: { NoCopy?: boolean; Labels?: Record<string, string>; Subpath?: string; DriverConfig?: { Name?: string; Options?: Record<string, string> } };
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
};

/** `--mount type=bind,src=/a,dst=/b,ro`. */
export function parseMount(value: string): MountRequest {
  if (value === "") throw fail("invalid", "EOF");
  const mount: MountRequest = { Type: "volume" };
  for (const field of splitCsv(value)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase();
    const flag = FLAGS[key];
    if (equals < 0 && flag === undefined) throw fail("invalid", `invalid field '${field}' must be a key=value pair`);
    const text = equals < 0 ? "" : field.slice(equals + 1);
    if (flag !== undefined) {
      flag(mount, equals < 0 ? true : readBool(key, text));
      continue;
    }
    const set = KEYS[key];
    if (set === undefined) throw fail("invalid", `unexpected key '${key}' in '${field}'`);
    set(mount, text, field);
  }
  return check(mount);
}

function readBool(key: string, text: string): boolean {
  try {
    return parseBool(text);
  } catch {
    throw fail("invalid", `invalid value for ${key}: ${text}`);
  }
}

/** Keys that may stand without a value. */
const FLAGS: Readonly<Record<string, (mount: MountRequest, on: boolean) => void>> = {
  readonly: setReadOnly,
  ro: setReadOnly,
  "bind-nonrecursive": (mount, on) => void (bind(mount).NonRecursive = on),
  "bind-create-src": (mount, on) => void (bind(mount).CreateMountpoint = on),
  /** Ours. */
  idmap: (mount, on) => {
    if (on) bind(mount).IDMapping = "match-user";
  },
  "volume-nocopy": (mount, on) => void (volume(mount).NoCopy = on),
};

function setReadOnly(mount: MountRequest, on: boolean): void {
  if (on) mount.ReadOnly = true;
  else delete mount.ReadOnly;
}

const KEYS: Readonly<Record<string, (mount: MountRequest, text: string, field: string) => void>> = {
  type: (mount, text) => void (mount.Type = text.toLowerCase()),
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  consistency: (mount, text) => void (mount.Consistency = text.toLowerCase()),
  "bind-propagation": (mount, text) => void (bind(mount).Propagation = text.toLowerCase()),
  "bind-recursive": setRecursive,
  "volume-subpath": (mount, text) => void (volume(mount).Subpath = text),
  "volume-driver": (mount, text) => void (driver(mount).Name = text),
  "volume-label": (mount, text) => void addTo((volume(mount).Labels ??= {}), text),
  "volume-opt": (mount, text) => void addTo((driver(mount).Options ??= {}), text),
  "image-subpath": (mount, text) => void ((mount.ImageOptions ??= {}).Subpath = text),
  "tmpfs-size": (mount, text) => {
    try {
      (mount.TmpfsOptions ??= {}).SizeBytes = parseSize(text);
    } catch {
      throw fail("invalid", `invalid value for tmpfs-size: ${text}`);
    }
  },
  "tmpfs-mode": (mount, text) => {
    if (!/^0?[0-7]{1,11}$/.test(text)) throw fail("invalid", `invalid value for tmpfs-mode: ${text}`);
    (mount.TmpfsOptions ??= {}).Mode = Number.parseInt(text, 8);
  },
};

/** A relative path is one from here; "~" and names of volumes are left alone. */
function setSource(mount: MountRequest, text: string): void {
  mount.Source = text === "." || text.startsWith("./") || text.startsWith("../") || text === ".." ? resolve(text) : text;
}

function setTarget(mount: MountRequest, text: string): void {
  mount.Target = text;
}

function setRecursive(mount: MountRequest, text: string): void {
  switch (text) {
    case "enabled":
      return;
    case "disabled":
      bind(mount).NonRecursive = true;
      return;
    case "writable":
      bind(mount).ReadOnlyNonRecursive = true;
      return;
    case "readonly":
      bind(mount).ReadOnlyForceRecursive = true;
      return;
    default:
      throw fail("invalid", `invalid value for bind-recursive: ${text} (must be "enabled", "disabled", "writable", or "readonly")`);
  }
}

function bind(mount: MountRequest): NonNullable<MountRequest["BindOptions"]> {
  return (mount.BindOptions ??= {});
}

function volume(mount: MountRequest): NonNullable<MountRequest["VolumeOptions"]> {
  return (mount.VolumeOptions ??= { DriverConfig: {} });
}

function driver(mount: MountRequest): { Name?: string; Options?: Record<string, string> } {
  return (volume(mount).DriverConfig ??= {});
}

function addTo(map: Record<string, string>, text: string): void {
  const equals = text.indexOf("=");
  map[equals < 0 ? text : text.slice(0, equals)] = equals < 0 ? "" : text.slice(equals + 1);
}

function check(mount: MountRequest): MountRequest {
  if (mount.Type === "") throw fail("invalid", "type is required");
  if (!mount.Target) throw fail("invalid", "target is required");
  const cannotMix = (options: string) => fail("invalid", `cannot mix '${options}' options with mount type '${mount.Type}'`);
  if (mount.VolumeOptions !== undefined && mount.Type !== "volume") throw cannotMix("volume-*");
  if (mount.ImageOptions !== undefined && mount.Type !== "image") throw cannotMix("image-*");
  if (mount.BindOptions !== undefined && mount.Type !== "bind") throw cannotMix("bind-*");
  if (mount.TmpfsOptions !== undefined && mount.Type !== "tmpfs") throw cannotMix("tmpfs-*");
  const options = mount.BindOptions;
  if (options?.ReadOnlyNonRecursive && !mount.ReadOnly) {
    throw fail("invalid", "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
  }
  if (options?.ReadOnlyForceRecursive) {
    if (!mount.ReadOnly) throw fail("invalid", "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    if (options.Propagation !== "rprivate") {
      throw fail("invalid", "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
    }
  }
  return mount;
}
