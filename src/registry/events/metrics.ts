/**
 * Counters for Prometheus. Labels are few and ours: the method, the route and the class of a status, never a repository's
 * name. On loopback everybody may read them; from elsewhere whoever may see the catalog.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { Call } from "#base/http.ts";
import type { Decision } from "../access/access.ts";
import type { Refusal, RegistryEvent, RequestEvent } from "./events.ts";
import type { Webhook } from "./webhook.ts";

export type Metrics = {
  emit(event: RegistryEvent): void;
  request(event: RequestEvent): void;
  refused(refusal: Refusal): void;
  door(call: Call): Promise<void>;
};

export type MetricsOptions = {
  readonly authorize?: ((call: Call) => Decision | Promise<Decision>) | undefined;
  readonly webhooks: () => readonly Webhook[];
};

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]);

export function openMetrics({ authorize, webhooks }: MetricsOptions): Metrics {
  const registers = [new Registry()];
  collectDefaultMetrics({ register: registers[0]! });
  const seconds = new Histogram({ name: "gantry_registry_request_seconds", help: "Duration of requests", labelNames: ["method", "route"], buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60], registers });
  const requests = new Counter({ name: "gantry_registry_requests_total", help: "Requests", labelNames: ["method", "route", "code"], registers });
  const sent = new Counter({ name: "gantry_registry_sent_bytes_total", help: "Bytes of answers", labelNames: ["route"], registers });
  const events = new Counter({ name: "gantry_registry_events_total", help: "What happened", labelNames: ["action", "target"], registers });
  const refusals = new Counter({ name: "gantry_registry_refused_total", help: "Who was turned away, by why", labelNames: ["why"], registers });
  new Gauge({
    name: "gantry_registry_webhook_events",
    help: "Events of a webhook, by what became of them",
    labelNames: ["webhook", "state"],
    registers,
    collect() {
      for (const { name, counts } of webhooks()) for (const [state, count] of Object.entries(counts)) this.set({ webhook: name, state }, count);
    },
  });
  return {
    emit: ({ kind, target }) => events.inc({ action: kind, target }),
    request({ method: given, route, status, duration, sent: bytes }) {
      const method = METHODS.has(given) ? given : "other";
      seconds.observe({ method, route }, duration / 1000);
      requests.inc({ method, route, code: status });
      if (bytes > 0) sent.inc({ route }, bytes);
    },
    refused: ({ why }) => refusals.inc({ why }),
    async door(call) {
      const decision = isLocal(call) ? undefined : ((await authorize?.(call)) ?? { kind: "denied" as const });
      if (decision?.kind === "challenge") return void call.response.writeHead(401, { "www-authenticate": decision.header }).end();
      if (decision?.kind === "denied") return void call.response.writeHead(403).end();
      const text = await registers[0]!.metrics();
      call.response.writeHead(200, { "content-type": registers[0]!.contentType, "content-length": Buffer.byteLength(text) }).end(text);
    },
  };
}

/** Behind a proxy on this machine everybody comes from loopback. */
const isLocal = ({ request: { socket, headers } }: Call): boolean =>
  /^(127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? "") && headers["x-forwarded-for"] === undefined && headers.forwarded === undefined;
