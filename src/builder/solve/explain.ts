/** Why a step was not found: what its key is made of now, beside the newest results that are most like it. Pure. */
import { sha256 } from "#base/digest.ts";
import type { Parts } from "./keys.ts";

const MOST = 8;

/** Both as keptParts has them; `earlier` newest first. */
export function explainMiss(now: Parts, earlier: readonly { readonly parts: Parts }[]): string[] {
  const compared = earlier.map((one) => ({ one, changes: changesOf(one.parts, now) }));
  const best = compared.reduce<(typeof compared)[number] | undefined>((least, next) => (least === undefined || next.changes.length < least.changes.length ? next : least), undefined);
  if (best === undefined) return ["it was not made before"];
  if (best.changes.length === 0) return ["it was made before, but its result is not kept any more"];
  return best.changes.length <= MOST ? best.changes : [...best.changes.slice(0, MOST), `and ${best.changes.length - MOST} more`];
}

function changesOf(before: Parts, now: Parts): string[] {
  const names = [...new Set([...Object.keys(now), ...Object.keys(before)])];
  return names.flatMap((name) => (before[name] === now[name] ? [] : [changeText(name, before[name], now[name])]));
}

function changeText(name: string, before: string | undefined, now: string | undefined): string {
  if (name === "base") return "what it is made on changed";
  if (name.startsWith("files of ")) return before === undefined || now === undefined ? `${name}: new` : `${name}: changed`;
  if (before === undefined) return `${name}: new${now === undefined || isLong(now) ? "" : `, ${JSON.stringify(now)}`}`;
  if (now === undefined) return `${name}: gone`;
  return isLong(before) || isLong(now) ? `${name}: changed` : `${name}: was ${JSON.stringify(before)}, is ${JSON.stringify(now)}`;
}

const isLong = (value: string): boolean => value.length > 200 || value.startsWith("{");

const LONGEST = 400;

/** Parts as a record has them: long values by their digest. */
export const keptParts = (parts: Parts): Parts => Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, value.length > LONGEST ? sha256(value) : value]));
