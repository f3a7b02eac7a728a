/**
 * What listens: webhooks, an audit log, metrics; each where it was asked for.
 *
 *     await using events = await openEvents({ webhooks: [{ name: "ci", url: "https://HOST/hook" }], audit: "/var/log/registry.jsonl" }, log);
 *     openRegistry({ events, doors: events.doors, … });
 */
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import { openAudit, type Audit } from "./audit.ts";
import type { Decision } from "../access/access.ts";
import type { Events, Refusal, RequestEvent } from "./events.ts";
import { openWebhook, type Webhook, type WebhookSettings } from "./webhook.ts";

export type EventsSettings = {
  readonly webhooks?: readonly WebhookSettings[] | undefined;
  /** A file of JSON lines; "-": standard output. */
  readonly audit?: string | undefined;
  /** Whether they are counted, and who may read them from elsewhere than loopback: nobody, if undefined. */
  readonly metrics?: { readonly authorize?: ((call: Call) => Decision | Promise<Decision>) | undefined } | undefined;
  /** How others name this registry: in webhooks. */
  readonly host?: string | undefined;
};

export type OpenEvents = Events & {
  refused(refusal: Refusal): void;
  /** By path: /metrics. */
  readonly doors: Readonly<Record<string, (call: Call) => Promise<void>>>;
};

export async function openEvents(settings: EventsSettings, log: Log): Promise<OpenEvents> {
  const { host = "" } = settings;
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
    refused(refusal) {
      audit?.refused(refusal);
      metrics?.refused(refusal);
    },
    doors: metrics === undefined ? {} : { "/metrics": metrics.door },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...webhooks, audit].map((one: Webhook | Audit | undefined) => one?.[Symbol.asyncDispose]()));
    },
  };
}
