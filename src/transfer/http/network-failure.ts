/** What goes wrong below HTTP, in words that say what to do. */
import { fail, Failure, messageOf } from "#base/errors.ts";

/**
 * Facts: `network` (there was no answer), `code`, `again` (another attempt may help), `absent` (nobody is there: another
 * attempt helps only if somebody was).
 */
export function networkFailure(what: string, error: unknown): Failure {
  if (error instanceof Failure) return fail(error.kind, `${what}: ${error.message}`, { cause: error, facts: { ...error.facts, network: true } });
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const absent = ["ENOTFOUND", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"].includes(code);
  const again = !UNTRUSTED.test(code) && !NOT_TLS.test(code);
  return fail("unavailable", `${what}: ${reasonOf(error as NodeJS.ErrnoException, code)}`, { cause: error, facts: { network: true, code, again, absent, untrusted: UNTRUSTED.test(code) } });
}

const UNTRUSTED = /CERT|UNABLE_TO|ERR_TLS_CERT|SELF_SIGNED|ERR_SSL_.*ALERT|HOSTNAME_MISMATCH|INVALID_CA/;
const NOT_TLS = /ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_RECORD|EPROTO/;

function reasonOf(error: NodeJS.ErrnoException & { hostname?: string; host?: string; reason?: string; errors?: Error[] }, code: string): string {
  if (code === "ENOTFOUND") return `lookup ${error.hostname ?? "the host"}: no such host`;
  if (code === "EAI_AGAIN") return `lookup ${error.hostname ?? "the host"}: temporary failure in name resolution`;
  if (code === "ECONNREFUSED") return "connection refused";
  if (code === "ECONNRESET" || code === "EPIPE") return "the connection was closed by the other side";
  if (NOT_TLS.test(code)) return "http: server gave HTTP response to HTTPS client (a registry without TLS must be listed in insecure-registries)";
  if (UNTRUSTED.test(code)) return `tls: failed to verify certificate: ${error.reason ?? messageOf(error)} (${code}; a private authority's certificate belongs into certs.d/HOST:PORT/ca.crt)`;
  const first = error.errors?.[0];
  return first === undefined ? messageOf(error) : reasonOf(first as NodeJS.ErrnoException, (first as NodeJS.ErrnoException).code ?? "");
}
