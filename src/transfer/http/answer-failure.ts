/** A refusal of a registry, as people must hear it. */
import { fail, type Failure, type Kind } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import { collect } from "#base/streams.ts";
import { type Answer, nameOf } from "./exchange.ts";

const MOST_TEXT = 512;
const MOST_BODY = 64 * 1024;

const KINDS: Readonly<Record<number, Kind>> = { 401: "forbidden", 403: "forbidden", 404: "not-found", 405: "not-implemented", 408: "unavailable", 409: "conflict", 429: "unavailable" };
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Facts: `status`, `code` (the registry's: "MANIFEST_UNKNOWN"), `said` (its message), `credentials` (whether any were
 * sent), `again`, `retryAfter` (seconds), `rateLimit` (as Docker Hub tells it).
 */
export async function answerFailure(method: string, url: URL, answer: Answer, credentials: boolean): Promise<Failure> {
  const { status } = answer;
  const { code, said } = await readRefusal(answer, method === "HEAD");
  const limit = rateLimit(answer);
  const kind = KINDS[status] ?? (status >= 500 ? "unavailable" : "invalid");
  const text = [`${nameOf(method, url)}: ${status}${answer.reason === "" ? "" : ` ${clean(answer.reason, 60)}`}`];
  if (code !== "" || said !== "") text.push([code.toLowerCase().replaceAll("_", " "), said].filter((part) => part !== "").join(": "));
  if (status === 429 && limit !== undefined) text.push(describeLimit(limit, credentials));
  if (status === 401 && !credentials) text.push("no credentials were sent");
  const retryAfter = parseRetryAfter(answer.headers["retry-after"]);
  return fail(kind, text.join(": "), { facts: { status, code, said, credentials, again: AGAIN.has(status), ...(retryAfter !== undefined && { retryAfter }), ...(limit && { rateLimit: limit }) } });
}

function describeLimit({ limit, remaining, seconds }: RateLimit, credentials: boolean): string {
  const window = seconds === undefined ? "" : `, counted over ${Math.round(seconds / 60)} minutes`;
  return `the limit is ${limit}, ${remaining} left${window}${credentials ? "" : "; log in to have more"}`;
}

async function readRefusal(answer: Answer, isHead: boolean): Promise<{ code: string; said: string }> {
  if (isHead) {
    answer.drop();
    return { code: "", said: "" };
  }
  const body = await collect(answer.read({ limit: MOST_BODY }), MOST_BODY, "an answer").then((bytes) => bytes.toString("utf8"), () => "");
  if (body === "") return { code: "", said: "" };
  try {
    const json = parseJson(body) as { errors?: { code?: unknown; message?: unknown }[]; details?: unknown; error?: unknown; error_description?: unknown };
    const first = json.errors?.[0];
    const said = first?.message ?? json.error_description ?? json.details ?? json.error;
    return { code: clean(first?.code, 60), said: clean(said, MOST_TEXT) };
  } catch {
    // A page for people, of whatever stands before the registry, or of something that is none: not echoed.
    return { code: "", said: "" };
  }
}

/** Of a server's words only what can do no harm in a terminal or a log. */
export function clean(text: unknown, most = MOST_TEXT): string {
  if (typeof text !== "string") return "";
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return plain.length > most ? `${plain.slice(0, most)}…` : plain;
}

function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}

export type RateLimit = { readonly limit: number; readonly remaining: number; readonly seconds: number | undefined };

/** "ratelimit-limit: 100;w=21600" */
export function rateLimit(answer: Pick<Answer, "headers">): RateLimit | undefined {
  const read = (name: string) => /^(\d{1,12})(?:\s*;\s*w=(\d{1,9}))?/.exec(String(answer.headers[name] ?? ""));
  const limit = read("ratelimit-limit");
  const remaining = read("ratelimit-remaining");
  if (limit === null || remaining === null) return undefined;
  const seconds = limit[2] ?? remaining[2];
  return { limit: Number(limit[1]), remaining: Number(remaining[1]), seconds: seconds === undefined ? undefined : Number(seconds) };
}
