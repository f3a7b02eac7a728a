/** Times as Go prints them. */
import { readFileSync } from "node:fs";

/** "2026-11-22 03:00:44.5 +0000 UTC" in the local zone. `nanoseconds`: the fraction's nine digits. */
export function goTime(seconds: number, nanoseconds = "", utc = false): string {
  const shift = utc ? 0 : offsetOf(seconds);
  const date = new Date((seconds + shift) * 1000).toISOString();
  const fraction = nanoseconds.replace(/0+$/, "");
  const zone = shift === 0 && (utc || isUtc()) ? "UTC" : zoneName(seconds, shift);
  return `${date.slice(0, 10)} ${date.slice(11, 19)}${fraction === "" ? "" : `.${fraction}`} ${formatOffset(shift, "")} ${zone}`;
}

/** An RFC 3339 time as Go's String prints it, in the zone it was written in. */
export function goTimeOf(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return text;
  const [, day, time, fraction = "", zone] = match;
  const shown = fraction.replace(/0+$/, "");
  const offset = zone === "Z" ? "+0000" : zone!.replace(":", "");
  return `${day} ${time}${shown === "" ? "" : `.${shown}`} ${offset} ${zone === "Z" ? "UTC" : offset}`;
}

/** "2026-11-22T03:00:44.000000000Z", in the local zone as docker prints events. */
export function rfc3339(seconds: number, nanoseconds: string): string {
  const shift = offsetOf(seconds);
  const date = new Date((seconds + shift) * 1000).toISOString();
  return `${date.slice(0, 19)}.${nanoseconds.padStart(9, "0")}${shift === 0 ? "Z" : formatOffset(shift, ":")}`;
}

/** "2026-11-22T03:00:44Z". */
export function rfc3339Seconds(seconds: number): string {
  const shift = offsetOf(seconds);
  const date = new Date((seconds + shift) * 1000).toISOString();
  return `${date.slice(0, 19)}${shift === 0 ? "Z" : formatOffset(shift, ":")}`;
}

function offsetOf(seconds: number): number {
  return -new Date(seconds * 1000).getTimezoneOffset() * 60;
}

function formatOffset(seconds: number, colon: string): string {
  const minutes = Math.abs(seconds) / 60;
  const two = (value: number) => String(Math.trunc(value)).padStart(2, "0");
  return `${seconds < 0 ? "-" : "+"}${two(minutes / 60)}${colon}${two(minutes % 60)}`;
}

function isUtc(): boolean {
  const zone = process.env["TZ"];
  if (zone !== undefined) return zone === "" || zone === "UTC" || zone === "Etc/UTC";
  const names = abbreviations("/etc/localtime");
  return names === undefined || (names.length === 1 && names[0]!.name === "UTC");
}

/** "CET": from the zone's file, because the language's own names differ from what Go prints. */
function zoneName(seconds: number, shift: number): string {
  const zone = process.env["TZ"]?.replace(/^:/, "");
  const file = zone === undefined ? "/etc/localtime" : zone.startsWith("/") ? zone : `/usr/share/zoneinfo/${zone}`;
  const found = abbreviations(file)?.findLast((each) => each.from <= seconds && each.shift === shift);
  return found?.name ?? formatOffset(shift, "");
}

type Span = { readonly from: number; readonly shift: number; readonly name: string };

/** The spans of a TZif file (RFC 8536, version 2), oldest first; each name also once from the beginning of time. */
function abbreviations(file: string): Span[] | undefined {
  let data: Buffer;
  try {
    data = readFileSync(file);
  } catch {
    return undefined;
  }
  if (data.toString("latin1", 0, 4) !== "TZif" || data[4]! < 0x32) return undefined;
  const first = counts(data, 0);
  const start = 44 + first.times * 5 + first.types * 6 + first.characters + first.leaps * 8 + first.standards + first.utcs;
  const { times, types, characters } = counts(data, start);
  const at = start + 44;
  const typesAt = at + times * 9;
  const namesAt = typesAt + types * 6;
  const names = data.toString("latin1", namesAt, namesAt + characters);
  const type = (index: number) => {
    const from = typesAt + index * 6;
    const name = data[from + 5]!;
    return { shift: data.readInt32BE(from), name: names.slice(name, names.indexOf("\0", name)) };
  };
  const spans: Span[] = Array.from({ length: types }, (_, index) => ({ from: Number.NEGATIVE_INFINITY, ...type(index) }));
  for (let index = 0; index < times; index++) {
    spans.push({ from: Number(data.readBigInt64BE(at + index * 8)), ...type(data[at + times * 8 + index]!) });
  }
  return spans;
}

function counts(data: Buffer, start: number) {
  const read = (index: number) => data.readUInt32BE(start + 20 + index * 4);
  return { utcs: read(0), standards: read(1), leaps: read(2), times: read(3), types: read(4), characters: read(5) };
}
