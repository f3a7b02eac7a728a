/** A call's end as headers: gRPC's status, by the table that both sides share (base/grpc/status.ts). */
import { fail, type Failure } from "#base/errors.ts";
import { failureOf, readStatus, statusHeaders, statusOf } from "#base/grpc/status.ts";
import type { Headers } from "../h2/connection.ts";

export function trailersOf(error?: unknown): Headers {
  return error === undefined ? [["grpc-status", "0"]] : Object.entries(statusHeaders(statusOf(error)));
}

/** Undefined: it went well. The failure's facts: `grpcCode`, and `grpcDetails`. */
export function failureIn(headers: Headers, what: string): Failure | undefined {
  const status = readStatus(Object.fromEntries(headers));
  if (status === undefined) return fail("unavailable", `${what}: the answer has no status (HTTP ${headers.find(([name]) => name === ":status")?.[1] ?? "?"})`);
  return status.code === 0 ? undefined : failureOf(status, what);
}
