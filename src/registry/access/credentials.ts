/** What a request says of who it is from. */
import type { Call } from "#base/http.ts";

export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly name: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string }
  /** Something else, or badly written. */
  | { readonly kind: "garbage" };

const LONGEST = 12 * 1024;

export function readCredentials(header: string | undefined): Credentials {
  if (header === undefined || header === "") return { kind: "none" };
  const mark = header.indexOf(" ");
  const [scheme, value] = [header.slice(0, mark).toLowerCase(), header.slice(mark + 1).trim()];
  if (mark < 0 || value.length > LONGEST) return { kind: "garbage" };
  if (scheme === "bearer") return { kind: "token", token: value };
  if (scheme !== "basic") return { kind: "garbage" };
  const text = Buffer.from(value, "base64").toString();
  const colon = text.indexOf(":");
  return colon < 0 ? { kind: "garbage" } : { kind: "password", name: text.slice(0, colon), password: text.slice(colon + 1) };
}

export const addressOf = (call: Call): string => call.request.socket.remoteAddress ?? "";
