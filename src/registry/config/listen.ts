/** Where the server listens, and whether it may: beyond loopback only with TLS and with accounts. */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";

export type Listen = { readonly host: string; readonly port: number; readonly loopback: boolean };

/** @throws invalid, forbidden */
export function readListen(text: string, has: { readonly tls: boolean; readonly accounts: boolean }): Listen {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const given = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const host = given === "localhost" ? "127.0.0.1" : given === "" ? "0.0.0.0" : given;
  if (match === null || port > 65_535 || isIP(host) === 0) throw fail("invalid", `--listen ${text}: ADDRESS:PORT is expected`);
  const loopback = host === "::1" || host.startsWith("127.");
  if (!loopback && !has.tls) {
    throw fail("forbidden", `--listen ${text}: without TLS the registry listens on loopback only; give --tls-cert and --tls-key (or --behind-proxy if something before it has TLS)`);
  }
  if (!loopback && !has.accounts) {
    throw fail("forbidden", `--listen ${text}: without accounts the registry listens on loopback only; give --htpasswd (or --open if everybody who reaches it may read and write)`);
  }
  return { host, port, loopback };
}
