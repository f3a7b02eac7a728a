/** What went wrong, where: the Dockerfile's lines that a failure is about, as BuildKit's clients show them. */
import { Failure } from "#base/errors.ts";
import { errorSource } from "#spec/buildkit/control.ts";

type Line = { readonly line?: number };
type Source = {
  readonly info?: { readonly filename?: string; readonly data?: string | Uint8Array };
  readonly ranges?: readonly { readonly start?: Line; readonly end?: Line }[];
};

/** "Dockerfile:3", and the lines with ">>>" before those that are meant. "" where the failure is about no line. */
export function sourceText(error: unknown): string {
  if (!(error instanceof Failure)) return "";
  const details = (error.facts["grpcDetails"] ?? []) as readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
  return details.map(({ typeUrl, value }) => (/errdefs[./]Source\b/.test(typeUrl) ? linesOf(decode(typeUrl, value)) : "")).join("");
}

/** Newer engines send it as a message, all others as its JSON. */
function decode(typeUrl: string, value: Uint8Array): Source {
  try {
    if (!typeUrl.endsWith("+json")) return errorSource.decode(value) as Source;
    const source = JSON.parse(Buffer.from(value).toString()) as Source;
    const { info } = source;
    return { ...source, ...(info === undefined ? {} : { info: { ...info, data: Buffer.from(String(info.data ?? ""), "base64") } }) };
  } catch {
    return {};
  }
}

/** Lines around those that are meant. */
const AROUND_ONE = 4;
const AROUND_SEVERAL = 2;

function linesOf({ info, ranges = [] }: Source): string {
  const meant = ranges.map(({ start, end }) => [start?.line ?? 0, Math.max(start?.line ?? 0, end?.line ?? 0)] as const).filter(([start]) => start > 0);
  if (info === undefined || meant.length === 0) return "";
  const lines = Buffer.from((info.data ?? "") as Uint8Array).toString().split("\n");
  const first = Math.min(...meant.map(([start]) => start));
  const last = Math.min(lines.length, Math.max(...meant.map(([, end]) => end)));
  if (first > lines.length) return "";
  let [start, end] = [first, last];
  // As many lines as there are on one side or the other.
  for (let left = start === end ? AROUND_ONE : AROUND_SEVERAL; left > 0; left--) {
    if (start > 1) {
      start--;
      left--;
    }
    if (end < lines.length) {
      end++;
      left--;
    }
  }
  const shown = lines.slice(start - 1, end).map((text, at) => {
    const number = start + at;
    const mark = meant.some(([from, to]) => from <= number && number <= to) ? ">>>" : "   ";
    return ` ${String(number).padStart(3)} | ${mark} ${text}\n`;
  });
  const rule = `${"-".repeat(20)}\n`;
  return `${info.filename ?? "Dockerfile"}:${first}\n${rule}${shown.join("")}${rule}`;
}
