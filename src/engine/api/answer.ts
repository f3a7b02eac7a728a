/** What handlers answer with, and how it is written. */
import type { ServerResponse } from "node:http";
import { type Kind, kindOf, messageOf } from "#base/errors.ts";
import type { Call, Route } from "#base/http.ts";

/** A request with its API version (the N of 1.N) and the parameters of its path. */
export type ApiCall = Call & { readonly version: number; readonly params: Readonly<Record<string, string>> };

/** Nothing: the handler wrote its own answer (a stream). */
export type Answer = { readonly status: number; readonly json?: unknown } | undefined;

export type ApiRoute = Route & {
  /** The first API version that has it. */
  readonly since?: number;
  /** The handler may take the connection over. */
  readonly hijack?: true;
  readonly run: (call: ApiCall) => Promise<Answer> | Answer;
};

export const ok = (json: unknown): Answer => ({ status: 200, json });
export const created = (json: unknown): Answer => ({ status: 201, json });
export const empty = (status = 204): Answer => ({ status });

const STATUS: Readonly<Record<Kind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  "already-exists": 409,
  "not-modified": 304,
  "not-implemented": 501,
  unavailable: 503,
  cancelled: 499,
  exhausted: 500,
  internal: 500,
};

export function statusOf(error: unknown): number {
  return STATUS[kindOf(error)];
}

export function writeAnswer(response: ServerResponse, answer: NonNullable<Answer>): void {
  if (answer.json === undefined) {
    const bodiless = answer.status === 204 || answer.status === 304;
    response.writeHead(answer.status, bodiless ? undefined : { "Content-Length": 0 });
    response.flushHeaders();
    endAfterRequest(response);
    return;
  }
  const text = `${JSON.stringify(answer.json)}\n`;
  response.writeHead(answer.status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
  response.write(text);
  endAfterRequest(response);
}

/**
 * Ends an answer that is already out in full. If the client is still sending, what it sends is read and dropped first:
 * a connection closed under a client that sends is reset, and the client would not see the answer. Nor must the rest of
 * a body be taken for the next request.
 */
export function endAfterRequest(response: ServerResponse): void {
  const request = response.req;
  if (request.complete || request.destroyed) return void response.end();
  request.once("end", () => response.end());
  request.once("close", () => response.end());
  request.resume();
}

/** The answer for whatever was thrown. An answer that has begun cannot be taken back: its connection is cut. */
export function writeError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = statusOf(error);
  if (status === 304) writeAnswer(response, { status });
  else writeAnswer(response, { status, json: { message: messageOf(error) } });
}
