/** The engine's progress messages, a JSON object each: bars that move on a terminal, lines elsewhere. */
import { fail } from "#base/errors.ts";
import type { Output } from "../client.ts";
import { escapeControls } from "./escape.ts";
import { humanSize } from "./units.ts";

export type Message = {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number; readonly units?: string; readonly hidecounts?: boolean };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string; readonly code?: number };
  readonly aux?: unknown;
};

/** Shows messages as they come; without an output only waits for the end. An error among them is thrown. */
export async function showProgress(out: Output | undefined, body: AsyncIterable<Buffer>, onAux: (aux: unknown) => void = () => {}): Promise<void> {
  const lines = new Map<string, number>();
  for await (const message of messagesOf(body)) {
    const error = message.errorDetail?.message ?? message.error;
    if (error !== undefined) throw fail("internal", error, message.errorDetail?.code ? { facts: { status: message.errorDetail.code } } : {});
    if (message.aux !== undefined) onAux(message.aux);
    if (out !== undefined && message.aux === undefined) show(out, message, lines);
  }
}

export async function* messagesOf(body: AsyncIterable<Buffer>): AsyncGenerator<Message, void, void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split("\n");
    rest = parts.pop()!;
    for (const part of parts) if (part.trim() !== "") yield JSON.parse(part) as Message;
  }
  if (rest.trim() !== "") yield JSON.parse(rest) as Message;
}

/** On a terminal each id has its own line, which is rewritten in place. */
function show(out: Output, message: Message, lines: Map<string, number>): void {
  const { id = "" } = message;
  const moves = out.isTerminal && id !== "" && message.progressDetail !== undefined;
  if (!moves) {
    if (message.progressDetail !== undefined && hasProgress(message)) return;
    if (id === "" && message.stream === undefined) lines.clear();
    out.write(textOf(out, message));
    return;
  }
  const known = lines.get(id);
  if (known === undefined) {
    lines.set(id, lines.size);
    out.write("\n");
  }
  const up = lines.size - lines.get(id)!;
  out.write(`\x1b[${up}A\x1b[2K\r${textOf(out, message).trimEnd()}\r\x1b[${up}B`);
}

function textOf(out: Output, message: Message): string {
  if (message.stream !== undefined) return out.isTerminal ? message.stream.replace(/[\0-\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f]/g, "") : message.stream;
  const start = message.id === undefined || message.id === "" ? "" : `${message.id}: `;
  const bar = out.isTerminal ? barOf(message, out.columns) : "";
  const text = `${start}${message.status ?? ""}`;
  return `${escapeControls(text, out.isTerminal)}${bar === "" ? "" : ` ${bar}`}\n`;
}

function hasProgress({ progressDetail: detail }: Message): boolean {
  return (detail?.current ?? 0) > 0 || (detail?.total ?? 0) > 0;
}

function barOf(message: Message, columns: number): string {
  const { current = 0, total = 0, units = "", hidecounts = false } = message.progressDetail ?? {};
  if (current <= 0 && total <= 0) return "";
  const show = (value: number) => (units === "" ? humanSize(value, 4) : `${value} ${units}`);
  if (total <= 0) return show(current).padStart(8);
  const share = Math.min(50, Math.floor((current / total) * 50));
  const bar = columns > 110 ? `[${"=".repeat(share)}>${" ".repeat(Math.max(0, 50 - share))}]  ` : "";
  return `${bar}${hidecounts ? "" : `${show(current).padStart(8)}/${show(total)}`}`;
}
