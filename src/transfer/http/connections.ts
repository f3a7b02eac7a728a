/** Kept connections: one agent for each way to connect, so that two registries never share a TLS setting. */
import type { Agent } from "node:http";
import { readFile } from "node:fs/promises";
import { sha256 } from "#base/digest.ts";

const http = process.getBuiltinModule("node:http"); // see base/http-server.ts

export type TlsSettings = {
  readonly verify: boolean;
  /** PEM, besides the authorities that the machine trusts. */
  readonly ca: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string } | undefined;
};

export const PLAIN_TLS: TlsSettings = { verify: true, ca: [] };

export type Connections = Disposable & {
  /** `proxy`: a URL, "" for none. */
  agentFor(protocol: string, tls: TlsSettings, proxy: string): Promise<Agent>;
};

const MOST_AGENTS = 64;
/** A socket is read in pieces of 64 KiB; so many wait in it before it is paused. */
const HIGH_WATER_MARK = 512 * 1024;

export function openConnections(): Connections {
  const agents = new Map<string, Promise<Agent>>();
  return {
    agentFor(protocol, tls, proxy) {
      const key = protocol === "http:" ? `http ${proxy}` : `https ${proxy} ${sha256(JSON.stringify(tls))}`;
      const known = agents.get(key);
      if (known !== undefined) return known;
      if (agents.size >= MOST_AGENTS) forget(agents.keys().next().value!);
      const agent = openAgent(protocol, tls, proxy);
      agents.set(key, agent);
      agent.catch(() => agents.delete(key));
      return agent;
    },
    [Symbol.dispose]: () => [...agents.keys()].forEach(forget),
  };

  /** Those with work left do it: only idle connections are closed with the agent. */
  function forget(key: string): void {
    void agents.get(key)?.then((agent) => agent.destroy(), () => undefined);
    agents.delete(key);
  }
}

/** Milliseconds for which a connection that nobody uses is kept. One in use has limits of its own (exchange.ts). */
const IDLE = 5000;

async function openAgent(protocol: string, tls: TlsSettings, proxy: string): Promise<Agent> {
  const proxyEnv = proxy === "" ? undefined : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const kept = { keepAlive: true, maxFreeSockets: 8, timeout: IDLE, scheduling: "lifo" as const, highWaterMark: HIGH_WATER_MARK, ...(proxyEnv && { proxyEnv }) };
  if (protocol === "http:") return new http.Agent(kept);
  const { createSecureContext } = process.getBuiltinModule("node:tls");
  const roots = tls.verify ? await machineRoots() : undefined;
  const ca = roots === undefined ? (tls.ca.length === 0 ? undefined : [...process.getBuiltinModule("node:tls").rootCertificates, ...tls.ca]) : [roots, ...tls.ca];
  const secureContext = createSecureContext({ minVersion: "TLSv1.2", ...(ca && { ca }), ...tls.client });
  return new (process.getBuiltinModule("node:https").Agent)({ ...kept, secureContext, rejectUnauthorized: tls.verify });
}

/** Where distributions keep the authorities they trust, as Go looks for them. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Undefined: the machine has none, Node's are used. */
async function machineRoots(): Promise<string | undefined> {
  const chosen = process.env["SSL_CERT_FILE"];
  for (const path of chosen ? [chosen] : BUNDLES) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text?.includes("BEGIN CERTIFICATE")) return text;
  }
  return undefined;
}
