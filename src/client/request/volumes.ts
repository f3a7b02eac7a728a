import { resolve } from "node:path";
import { fail } from "#base/errors.ts";

export type Volumes = {
  /** SOURCE:TARGET[:OPTIONS], of a folder or a named volume. */
  readonly binds: string[];
  /** Targets of anonymous volumes. */
  readonly anonymous: Record<string, Record<string, never>>;
};

/** `-v [SOURCE:]TARGET[:OPTIONS]`. A source that begins with a dot is a folder from here. */
export function parseVolumes(values: readonly string[]): Volumes {
  const volumes: Volumes = { binds: [], anonymous: {} };
  for (const value of new Set(values)) {
    const parts = splitVolume(value);
    if (parts.length === 1) volumes.anonymous[value] = {};
    else volumes.binds.push(isRelative(parts[0]!) ? `${resolve(parts[0]!)}:${value.slice(parts[0]!.length + 1)}` : value);
  }
  return volumes;
}

function splitVolume(value: string): string[] {
  if (value === "") throw fail("invalid", "invalid empty volume spec");
  if (value.length <= 2) return [value];
  // "c:\x" is one part, though no path of this machine looks so: docker reads it like this too.
  const parts: string[] = [];
  for (const part of value.split(":")) {
    const last = parts.at(-1);
    if (last !== undefined && /^[a-zA-Z]$/.test(last)) parts[parts.length - 1] = `${last}:${part}`;
    else parts.push(part);
  }
  const invalid = (reason: string) => fail("invalid", `invalid spec: ${value}: ${reason}`);
  if (parts.includes("")) throw invalid("empty section between colons");
  if (parts.length > 3) throw invalid("too many colons");
  return parts;
}

function isRelative(source: string): boolean {
  return source.startsWith(".");
}
