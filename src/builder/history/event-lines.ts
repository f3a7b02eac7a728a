/** Events as lines of JSON, and back. Output that is text stays text. Pure. */
import { isUtf8 } from "node:buffer";
import type { BuildEvent } from "../events.ts";

/** Times are numbers beyond 2^53: written as strings, in members of these names. */
const TIMES = new Set(["started", "completed", "time"]);

export function encodeEvent(event: BuildEvent): string {
  if (event.kind !== "log") return `${JSON.stringify(event, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`;
  const { data, time, ...rest } = event;
  return `${JSON.stringify({ ...rest, time: String(time), ...(isUtf8(data) ? { text: Buffer.from(data).toString("utf8") } : { data: Buffer.from(data).toString("base64") }) })}\n`;
}

export function decodeEvent(line: string): BuildEvent {
  const event = JSON.parse(line, (name, value: unknown) => (TIMES.has(name) && typeof value === "string" ? BigInt(value) : value)) as BuildEvent;
  if (event.kind !== "log") return event;
  const { text, data, ...rest } = event as unknown as LogLine;
  return { ...rest, data: text === undefined ? Buffer.from(data!, "base64") : Buffer.from(text, "utf8") };
}

type LogLine = Omit<Extract<BuildEvent, { kind: "log" }>, "data"> & { readonly text?: string; readonly data?: string };
