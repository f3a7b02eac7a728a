/** Records to frames with their attributes in front (`--details`). They can grow, so each line is written anew. */
import { frameRecords, type Pass, type RecordFilter } from "./record.ts";

const NEWLINE = 10;

export function frameDetailed(buffer: Buffer, filled: number, filter: RecordFilter): Pass {
  const frames: Buffer[] = [];
  let at = 0;
  for (let end; (end = buffer.indexOf(NEWLINE, at) + 1) > 0 && end <= filled; at = end) {
    const details = detailsOf(buffer.subarray(at, end));
    const pass = frameRecords(buffer.subarray(at, end), end - at, { ...filter, raw: true });
    if (pass.past) return { frames: Buffer.concat(frames), rest: end, past: true };
    if (details !== undefined && pass.frames.length > 0) frames.push(...frame(details, pass.frames, filter));
  }
  return { frames: Buffer.concat(frames), rest: at, past: false };
}

type Details = { text: string; stream: number };

function detailsOf(line: Buffer): Details | undefined {
  try {
    const { stream, attrs = {} } = JSON.parse(line.toString()) as { stream: string; attrs?: Record<string, string> };
    const pairs = Object.entries(attrs).sort(([a], [b]) => (a < b ? -1 : 1));
    return { text: pairs.map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`).join(","), stream: stream === "stderr" ? 2 : 1 };
  } catch {
    return undefined;
  }
}

/** Go's url.QueryEscape. */
const queryEscape = (text: string) =>
  encodeURIComponent(text).replace(/%20/g, "+").replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const STAMP = 31;

/** Attributes stand between the time, if it is printed, and the text. */
function frame(details: Details, text: Buffer, filter: RecordFilter): Buffer[] {
  const lead = filter.timestamps ? STAMP : 0;
  const words = Buffer.from(`${details.text} `);
  const parts = [text.subarray(0, lead), words, text.subarray(lead)];
  if (filter.raw) return parts;
  const header = Buffer.alloc(8);
  header[0] = details.stream;
  header.writeUInt32BE(words.length + text.length, 4);
  return [header, ...parts];
}
