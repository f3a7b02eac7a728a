/** The engine's progress messages, a JSON object each: bars that move on a terminal, lines elsewhere. */
import { fail } from "#base/errors.ts";
import type { Output } from "../client.ts";
import { escapeControls } from "./escape.ts";
import { humanSize } from "./units.ts";

export type Message = {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number; readonly resumedAt?: number; readonly units?: string; readonly hidecounts?: boolean };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string; readonly code?: number };
  readonly aux?: unknown;
};

/** auto: bars that move on a terminal, lines elsewhere. plain: lines. json: the messages, one a line. */
export type ProgressMode = "auto" | "plain" | "json";

export type ProgressOptions = { readonly mode?: ProgressMode; readonly onAux?: (aux: unknown) => void };

/** Shows messages as they come; without an output only waits for the end. An error among them is thrown. */
export async function showProgress(out: Output | undefined, body: AsyncIterable<Buffer>, { mode = "auto", onAux = () => {} }: ProgressOptions = {}): Promise<void> {
  const screen: Screen = { lines: new Map(), speeds: new Map(), moves: mode === "auto" && out?.isTerminal === true };
  for await (const message of messagesOf(body)) {
    if (mode === "json") out?.write(`${JSON.stringify(message)}\n`);
    const error = message.errorDetail?.message ?? message.error;
    if (error !== undefined) throw fail("internal", error, message.errorDetail?.code ? { facts: { status: message.errorDetail.code } } : {});
    if (message.aux !== undefined) onAux(message.aux);
    if (out !== undefined && message.aux === undefined && mode !== "json") show(out, message, screen);
  }
}

export async function* messagesOf<T = Message>(body: AsyncIterable<Buffer>): AsyncGenerator<T, void, void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split("\n");
    rest = parts.pop()!;
    for (const part of parts) if (part.trim() !== "") yield JSON.parse(part) as T;
  }
  if (rest.trim() !== "") yield JSON.parse(rest) as T;
}

type Screen = {
  /** The line of each id, counted from where the first one stands. */
  readonly lines: Map<string, number>;
  readonly speeds: Map<string, Speed>;
  readonly moves: boolean;
};

/** When a step of an id was first seen, and with how many bytes. */
type Speed = { readonly status: string; readonly since: number; readonly from: number };

/** On a terminal each id has its own line, which is rewritten in place. */
function show(out: Output, message: Message, screen: Screen): void {
  const { id = "" } = message;
  const { lines } = screen;
  const moves = screen.moves && id !== "" && message.progressDetail !== undefined;
  if (!moves) {
    if (message.progressDetail !== undefined && hasProgress(message)) return;
    if (id === "" && message.stream === undefined) lines.clear();
    out.write(textOf(out, message, screen));
    return;
  }
  const known = lines.get(id);
  if (known === undefined) {
    lines.set(id, lines.size);
    out.write("\n");
  }
  const up = lines.size - lines.get(id)!;
  out.write(`\x1b[${up}A\x1b[2K\r${textOf(out, message, screen).trimEnd()}\r\x1b[${up}B`);
}

function textOf(out: Output, message: Message, screen: Screen): string {
  if (message.stream !== undefined) return out.isTerminal ? message.stream.replace(/[\0-\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f]/g, "") : message.stream;
  const start = message.id === undefined || message.id === "" ? "" : `${message.id}: `;
  const bar = screen.moves ? barOf(message, out.columns, screen) : "";
  const text = `${start}${message.status ?? ""}`;
  return `${escapeControls(text, out.isTerminal)}${bar === "" ? "" : ` ${bar}`}\n`;
}

function hasProgress({ progressDetail: detail }: Message): boolean {
  return (detail?.current ?? 0) > 0 || (detail?.total ?? 0) > 0;
}

function barOf(message: Message, columns: number, screen: Screen): string {
  const { current = 0, total = 0, units = "", hidecounts = false } = message.progressDetail ?? {};
  if (current <= 0 && total <= 0) return "";
  const show = (value: number) => (units === "" ? humanSize(value, 4) : `${value} ${units}`);
  if (total <= 0) return show(current).padStart(8);
  const share = Math.min(50, Math.floor((current / total) * 50));
  const bar = columns > 110 ? `[${"=".repeat(share)}>${" ".repeat(Math.max(0, 50 - share))}]  ` : "";
  const counts = hidecounts ? "" : `${show(current).padStart(8)}/${show(total)}`;
  return `${bar}${counts}${units === "" ? paceOf(message, screen) : ""}`;
}

/** How fast it goes, and where an interrupted download went on. */
function paceOf({ id = "", status = "", progressDetail: { current = 0, resumedAt = 0 } = {} }: Message, { speeds }: Screen): string {
  const now = performance.now();
  const known = speeds.get(id);
  if (known?.status !== status) speeds.set(id, { status, since: now, from: current });
  const seconds = known?.status === status ? (now - known.since) / 1000 : 0;
  const speed = seconds > 0.2 && current > known!.from ? `  ${humanSize((current - known!.from) / seconds)}/s` : "";
  return `${speed}${resumedAt > 0 ? `  resumed at ${humanSize(resumedAt)}` : ""}`;
}
