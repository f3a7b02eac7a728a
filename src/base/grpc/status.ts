/** gRPC's status codes and our failures. */
import { fail, Failure, type Kind, kindOf, messageOf } from "../errors.ts";
import { bytes, int32, many, message, sub, text } from "../protobuf.ts";

export const CODES = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

const codes: Readonly<Record<Kind, number>> = {
  invalid: CODES.INVALID_ARGUMENT,
  "not-found": CODES.NOT_FOUND,
  "already-exists": CODES.ALREADY_EXISTS,
  conflict: CODES.FAILED_PRECONDITION,
  forbidden: CODES.PERMISSION_DENIED,
  unauthorized: CODES.UNAUTHENTICATED,
  "not-modified": CODES.FAILED_PRECONDITION,
  "not-implemented": CODES.UNIMPLEMENTED,
  unavailable: CODES.UNAVAILABLE,
  cancelled: CODES.CANCELLED,
  exhausted: CODES.RESOURCE_EXHAUSTED,
  internal: CODES.UNKNOWN,
};

const kinds: Readonly<Record<number, Kind>> = {
  1: "cancelled",
  3: "invalid",
  4: "unavailable",
  5: "not-found",
  6: "already-exists",
  7: "forbidden",
  8: "exhausted",
  9: "conflict",
  11: "invalid",
  12: "not-implemented",
  14: "unavailable",
  16: "unauthorized",
};

/** google.rpc.Status */
export const statusMessage = message("google.rpc.Status", {
  code: int32(1),
  message: text(2),
  details: many(sub(3, message("google.protobuf.Any", { typeUrl: text(1), value: bytes(2) }))),
});

export type StatusDetail = { readonly typeUrl: string; readonly value: Uint8Array };
export type Status = { readonly code: number; readonly message: string; readonly details: readonly StatusDetail[] };

/** A failure may bring its own: facts `code` (a number) and `details`. */
export function statusOf(error: unknown): Status {
  const facts = error instanceof Failure ? error.facts : {};
  const { grpcCode: code = codes[kindOf(error)], grpcDetails: details = [] } = facts as { grpcCode?: number; grpcDetails?: readonly StatusDetail[] };
  return { code, message: messageOf(error), details };
}

export function failureOf({ code, message: words, details }: Status, what: string): Failure {
  return fail(kinds[code] ?? "internal", words === "" ? `${what}: status ${code}` : words, { facts: { grpcCode: code, grpcDetails: details } });
}

/** grpc-message: UTF-8, with what is not printable ASCII, and %, as %XX. */
export const encodeMessage = (words: string): string =>
  Buffer.from(words).toString("latin1").replace(/[^ -$&-~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);

export const decodeMessage = (encoded: string): string =>
  Buffer.from(encoded.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), "latin1").toString("utf8");

/** Details that might not fit into the header that the other side is ready to read are left out: the message is the status. */
const MAX_DETAILS = 48 * 1024;

export function statusHeaders(status: Status): Record<string, string> {
  const headers: Record<string, string> = { "grpc-status": String(status.code) };
  if (status.message !== "") headers["grpc-message"] = encodeMessage(status.message);
  if (status.details.length > 0) {
    const encoded = statusMessage.encode(status);
    if (encoded.length <= MAX_DETAILS) headers["grpc-status-details-bin"] = encoded.toString("base64").replace(/=+$/, "");
  }
  return headers;
}

/** Undefined: these headers say no status. */
export function readStatus(headers: Readonly<Record<string, unknown>>): Status | undefined {
  const code = headers["grpc-status"];
  if (code === undefined) return undefined;
  const details = headers["grpc-status-details-bin"];
  const parsed = typeof details === "string" ? tryDetails(details) : [];
  return { code: Number(code), message: decodeMessage(String(headers["grpc-message"] ?? "")), details: parsed };
}

function tryDetails(encoded: string): readonly StatusDetail[] {
  try {
    return statusMessage.decode(Buffer.from(encoded, "base64")).details;
  } catch {
    return [];
  }
}
