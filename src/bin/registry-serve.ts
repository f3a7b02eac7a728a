/** `gantry registry serve`: until it is told to stop. */
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { messageOf } from "#base/errors.ts";
import { openHttpServer, type HttpServer } from "#base/http.ts";
import { openLog, type Log } from "#base/log.ts";
import { loadRegistryConfig, type RegistryConfig } from "#registry/config/config.ts";
import { openRegistry } from "#registry/registry.ts";
import { openParts } from "./registry-parts.ts";

/** How often the certificate's file is looked at. */
const CERTIFICATE_MS = 30_000;

export async function serve(argv: readonly string[]): Promise<number> {
  const config = await loadRegistryConfig(argv);
  const log = openLog(config.log);
  process.on("uncaughtException", (error) => {
    log.error("uncaught error: the registry ends", { error: error.stack ?? messageOf(error) });
    process.exit(2);
  });
  await using stack = new AsyncDisposableStack();
  const parts = stack.use(await openParts(config, log));
  const registry = stack.use(await openRegistry({ ...parts, settings: config.settings, log }));
  const server = openHttpServer({ serve: registry.serve, mayHijack: () => false, log });
  const told = untilTold();
  await listen(server, config, log);
  const signal = await told;
  log.info("stopping", { signal });
  await server.close({ graceMs: config.graceMs });
  await stack.disposeAsync();
  // Connections to upstreams and webhooks that are kept alive must not keep the process.
  process.exit(0);
}

async function listen(server: HttpServer, { listen: { host, port }, tls }: RegistryConfig, log: Log): Promise<void> {
  const name = await server.listen({ kind: "tcp", host, port, guarded: true, ...(tls !== undefined && { tls: readCertificate(tls) }) });
  log.info("listening", { address: name.replace(/^tcp:/, tls === undefined ? "http:" : "https:") });
  if (tls !== undefined) watchCertificate(server, tls, log);
}

type Files = NonNullable<RegistryConfig["tls"]>;

const readCertificate = ({ cert, key }: Files) => ({ cert: readFileSync(cert), key: readFileSync(key) });

/** By its date and not by notification: certificates come as links that are swapped. HUP looks at once. */
function watchCertificate(server: HttpServer, tls: Files, log: Log): void {
  let seen = "";
  const look = async (): Promise<void> => {
    const now = (await Promise.all([tls.cert, tls.key].map((file) => stat(file)))).map(({ ino, mtimeMs }) => `${ino}:${mtimeMs}`).join();
    if (seen !== "" && now !== seen) {
      server.renew(readCertificate(tls));
      log.info("the certificate was read again");
    }
    seen = now;
  };
  const attempt = () => void look().catch((error: unknown) => log.warn("the certificate could not be read again: the old one stays", { error }));
  attempt();
  setInterval(attempt, CERTIFICATE_MS).unref();
  process.on("SIGHUP", attempt);
}

/** Resolves at the first signal to stop; a second one ends the process at once. */
function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    let told = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (told) process.exit(1);
      told = true;
      resolve(signal);
    };
    process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  });
}

