/**
 * What `-v` and `--volumes-from` say. Pure; the texts are Docker's.
 *
 *     parseBind("/srv/www:/www:ro,rslave")
 */
import { normalize } from "node:path/posix";
import { fail, messageOf } from "#base/errors.ts";

export type BindSpec = {
  readonly type: "bind" | "volume";
  /** A path of the host, the name of a volume, or "" for a volume without a name. */
  readonly source: string;
  /** Absolute and normalized. */
  readonly destination: string;
  /** As given. */
  readonly mode: string;
  readonly readOnly: boolean;
  /** "" where none was given. */
  readonly propagation: string;
  /** Whether an empty volume is filled from the image. */
  readonly copy: boolean;
  /** "U": the owner of the source and the container's user change places. */
  readonly idMap: boolean;
};

const PROPAGATIONS = new Set(["rshared", "shared", "rslave", "slave", "rprivate", "private"]);
const GROUPS: readonly ReadonlySet<string>[] = [
  new Set(["rw", "ro"]), new Set(["z", "Z"]), PROPAGATIONS, new Set(["nocopy", "copy"]), new Set(["U"]), new Set(["consistent", "cached", "delegated", "default"]),
];

/** @throws invalid */
export function parseBind(raw: string): BindSpec {
  const parts = raw.split(":");
  const [first = "", second, mode = ""] = parts;
  if (parts.length > 3 || parts.some((part, index) => part === "" && index < 2) || (parts.length === 2 && isMode(second!))) throw invalid(raw);
  if (parts.length === 3 && !isMode(mode)) throw fail("invalid", `invalid mode: ${mode}`);
  const source = second === undefined ? "" : first;
  const destination = second ?? first;
  const words = new Set(mode.split(","));
  const type = source.startsWith("/") ? "bind" : "volume";
  const propagation = [...words].find((word) => PROPAGATIONS.has(word)) ?? "";
  if (type === "volume" && propagation !== "") throw fail("invalid", `invalid volume specification: '${raw}': invalid mode: ${mode}`);
  try {
    checkDestination(type, destination);
  } catch (error) {
    throw fail("invalid", `invalid volume specification: '${raw}': ${messageOf(error)}`, { cause: error });
  }
  return {
    type,
    source: type === "bind" ? trimSlash(normalize(source)) : source,
    destination: trimSlash(normalize(destination)),
    mode,
    readOnly: words.has("ro"),
    propagation,
    copy: !words.has("nocopy"),
    idMap: words.has("U"),
  };
}

/** Each word known, and at most one of a kind. */
function isMode(mode: string): boolean {
  const words = mode.split(",");
  const known = words.every((word) => GROUPS.some((group) => group.has(word)));
  return mode === "" || (known && GROUPS.every((group) => words.filter((word) => group.has(word)).length <= 1));
}

/** @throws invalid for what nothing can be mounted on. */
export function checkDestination(type: string, destination: string): void {
  const prefix = `invalid mount config for type "${type}": `;
  if (destination === "") throw fail("invalid", `${prefix}field Target must not be empty`);
  if (!destination.startsWith("/")) throw fail("invalid", `${prefix}invalid mount path: '${destination}' mount path must be absolute`);
  if (normalize(destination).replaceAll("/", "") === "") throw fail("invalid", `${prefix}invalid specification: destination can't be '/'`);
}

/** "other:ro" → which container, and whether its volumes are read-only here. @throws invalid */
export function parseVolumesFrom(spec: string): { container: string; mode: string; readOnly: boolean } {
  const [container = "", mode = "", ...rest] = spec.split(":");
  if (container === "") throw fail("invalid", `invalid volumes-from: '${spec}'`);
  if (rest.length > 0 || !isMode(mode)) throw fail("invalid", `invalid mode: ${[mode, ...rest].join(":")}`);
  return { container, mode, readOnly: mode.split(",").includes("ro") };
}

const invalid = (raw: string) => fail("invalid", `invalid volume specification: '${raw}'`);
export const trimSlash = (path: string) => (path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);
