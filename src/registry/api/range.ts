/** Ranges of bytes: of what is asked for (RFC 9110), and of what is sent (the distribution specification's own form). */

export type ByteRange = { readonly start: number; readonly end: number };

/** "whole" for what we need not understand (several ranges, other units); "none" when nothing of it exists, or it ends before it begins. `end` is exclusive. */
export function parseRange(header: string | undefined, size: number): ByteRange | "whole" | "none" {
  if (header === undefined) return "whole";
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (match === null || (match[1] === "" && match[2] === "")) return "whole";
  const [, from, to] = match as unknown as [string, string, string];
  if (from === "") return Number(to) === 0 ? "none" : { start: Math.max(0, size - Number(to)), end: size };
  const start = Number(from);
  const end = to === "" ? size : Math.min(Number(to) + 1, size);
  return start >= size || end <= start ? "none" : { start, end };
}

/** "START-END" (inclusive) of a chunk. Undefined: no header. "bad": not of that form. */
export function parseContentRange(header: string | undefined): ByteRange | "bad" | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
  if (match === null) return "bad";
  const range = { start: Number(match[1]), end: Number(match[2]) + 1 };
  return range.end <= range.start ? "bad" : range;
}
