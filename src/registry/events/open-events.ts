/**
 * What listens: webhooks, an audit log, metrics; each where it was asked for.
 *
 *     await using events = await openEvents({ webhooks: [{ name: "ci", url: "https://HOST/hook" }], audit: "/var/log/registry.jsonl" }, log);
 *     openRegistry({ events, doors: events.doors, … });
 */
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import { openAudit, type Audit } from "./audit.ts";
import type { Events, RegistryEvent, RequestEvent } from "./events.ts";
import { healthDoor } from "./health.ts";
import { openWebhook, type Webhook, type WebhookSettings } from "./webhook.ts";

export type EventsSettings = {
  readonly webhooks?: readonly WebhookSettings[] | undefined;
  /** A file of JSON lines; "-": standard output. */
  readonly audit?: string | undefined;
  /** Where metrics are had ("/metrics"), and who may: nobody but loopback unless this says so. */
  readonly metrics?: { readonly path?: string | undefined; readonly allows?: (call: Call) => boolean | Promise<boolean> } | undefined;
  /** Fails when what the registry stands on does not answer. */
  readonly health?: (() => Promise<void>) | undefined;
  /** How others name this registry: in webhooks. */
  readonly host?: string | undefined;
};

export type OpenEvents = Events & {
  /** By path: /metrics, /healthz. */
  readonly doors: Readonly<Record<string, (call: Call) => Promise<void>>>;
};

export async function openEvents(settings: EventsSettings, log: Log): Promise<OpenEvents> {
  const { host = "", health } = settings;
  const webhooks = (settings.webhooks ?? []).map((one) => openWebhook(one, { host, log }));
  const audit = settings.audit === undefined ? undefined : await openAudit(settings.audit, log);
  // prom-client is only there for whoever counts.
  const metrics = settings.metrics === undefined ? undefined : (await import("./metrics.ts")).openMetrics({ ...settings.metrics, webhooks: () => webhooks });
  const listeners = [...webhooks, ...(audit === undefined ? [] : [audit]), ...(metrics === undefined ? [] : [metrics])];
  return {
    emit(event) {
      for (const listener of listeners) listener.emit(event);
    },
    request: metrics === undefined ? undefined : (event: RequestEvent) => metrics.request(event),
    doors: { "/healthz": healthDoor(health), ...(metrics === undefined ? {} : { [settings.metrics?.path ?? "/metrics"]: metrics.door }) },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...webhooks, audit].map((one: Webhook | Audit | undefined) => one?.[Symbol.asyncDispose]()));
    },
  };
}

export type Listener = { emit(event: RegistryEvent): void };
