/** Answers, as the distribution specification has them. */
import type { Call } from "#base/http.ts";
import { Failure, kindOf, messageOf, type Kind } from "#base/errors.ts";
import type { Log } from "#base/log.ts";

export const API_VERSION = ["Docker-Distribution-Api-Version", "registry/2.0"] as const;
const ALWAYS = [...API_VERSION, "X-Content-Type-Options", "nosniff"] as const;

/** `headers`: name, value, name, value. */
export function answer(call: Call, status: number, headers: readonly (string | number)[], body?: Buffer | string): void {
  call.response.writeHead(status, [...ALWAYS, ...headers] as string[]);
  call.response.end(call.method === "HEAD" ? undefined : body);
}

export function answerJson(call: Call, status: number, headers: readonly (string | number)[], value: unknown, type = "application/json; charset=utf-8"): void {
  const body = Buffer.from(JSON.stringify(value));
  answer(call, status, ["Content-Type", type, "Content-Length", body.length, ...headers], body);
}

export function refuse(call: Call, status: number, code: string, message: string, headers: readonly (string | number)[] = [], detail?: unknown): void {
  answerJson(call, status, headers, { errors: [{ code, message, ...(detail !== undefined && { detail }) }] });
}

const STATUS: Readonly<Record<Kind, number>> = {
  invalid: 400,
  "not-found": 404,
  "already-exists": 409,
  conflict: 409,
  forbidden: 403,
  unauthorized: 401,
  "not-modified": 304,
  "not-implemented": 501,
  unavailable: 503,
  cancelled: 400,
  exhausted: 507,
  internal: 500,
};

/** Codes whose status is not their kind's. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = { MANIFEST_BLOB_UNKNOWN: 404, SIZE_INVALID: 413 };

/** Where a failure does not say which: what of that kind happens in a registry. */
const CODE: Readonly<Partial<Record<Kind, string>>> = { conflict: "BLOB_UPLOAD_INVALID", forbidden: "DENIED", "not-implemented": "UNSUPPORTED" };

/** Whatever a handler threw, before it answered. */
export function answerFailure(call: Call, error: unknown, log: Log): void {
  if (call.response.headersSent || call.response.destroyed) {
    // Half an answer must not be taken for a whole one.
    call.response.destroy();
    return;
  }
  const kind = kindOf(error);
  const facts = error instanceof Failure ? error.facts : {};
  const code = typeof facts["code"] === "string" ? facts["code"] : (CODE[kind] ?? "UNKNOWN");
  const quota = facts["quota"] !== undefined;
  const status = quota ? 403 : (STATUS_OF_CODE[code] ?? STATUS[kind]);
  if (status >= 500) log.error("request failed", { method: call.method, path: call.path, error });
  refuse(call, status, code, kind === "internal" ? "the registry failed; its log says why" : messageOf(error));
}
