/** gRPC's codes, and what they mean here. https://grpc.io/docs/guides/status-codes/ */
import { Failure, fail, type Kind, kindOf, messageOf } from "#base/errors.ts";
import type { Headers } from "../h2/connection.ts";

const KINDS: Readonly<Record<number, Kind>> = {
  1: "cancelled", 3: "invalid", 4: "unavailable", 5: "not-found", 6: "already-exists", 7: "forbidden", 8: "exhausted", 9: "conflict",
  10: "conflict", 11: "invalid", 12: "not-implemented", 13: "internal", 14: "unavailable", 16: "unauthorized",
};

const CODES: Partial<Record<Kind, number>> = {
  cancelled: 1, invalid: 3, "not-found": 5, "already-exists": 6, forbidden: 7, exhausted: 8, conflict: 9, "not-implemented": 12, internal: 13, unavailable: 14, unauthorized: 16,
};

export function trailersOf(error?: unknown): Headers {
  if (error === undefined) return [["grpc-status", "0"]];
  const code = error instanceof Failure && typeof error.facts["grpc"] === "number" ? error.facts["grpc"] : (CODES[kindOf(error)] ?? 2);
  return [["grpc-status", String(code)], ["grpc-message", encodeText(messageOf(error))]];
}

/** Undefined: it went well. The failure's facts: `grpc`, the code, and `details`, a google.rpc.Status as bytes. */
export function failureOf(headers: Headers): Failure | undefined {
  const value = (name: string) => headers.find((each) => each[0] === name)?.[1];
  const status = value("grpc-status");
  if (status === undefined) return fail("unavailable", `grpc: the answer has no status (HTTP ${value(":status") ?? "?"})`);
  if (status === "0") return undefined;
  const details = value("grpc-status-details-bin");
  const facts = { grpc: Number(status), ...(details === undefined ? {} : { details: Buffer.from(details, "base64") }) };
  return fail(KINDS[Number(status)] ?? "internal", decodeText(value("grpc-message") ?? ""), { facts });
}

/** What is not printable ASCII goes as percent and two digits. */
export function encodeText(text: string): string {
  return [...Buffer.from(text)].map((byte) => (byte >= 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)).join("");
}

export function decodeText(text: string): string {
  return Buffer.from(text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))), "latin1").toString();
}
