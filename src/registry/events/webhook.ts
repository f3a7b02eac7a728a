/**
 * One listener over HTTP. Events wait in a queue of at most 1,000 (then the newest are dropped, counted, and said once), go
 * out in order, up to 50 in a request, and again with growing pauses until the listener takes them or an event is a day old.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import { ENVELOPE_TYPE, toEnvelope, type Envelope } from "./envelope.ts";
import type { RegistryEvent } from "./events.ts";

export type WebhookSettings = {
  readonly name: string;
  readonly url: string;
  /** "Authorization" and the like. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of what: all, if undefined. */
  readonly kinds?: readonly RegistryEvent["kind"][] | undefined;
  readonly timeoutMs?: number | undefined;
  /** The first pause after a failure; doubled up to five minutes. */
  readonly backoffMs?: number | undefined;
};

export type Webhook = AsyncDisposable & {
  readonly name: string;
  emit(event: RegistryEvent): void;
  readonly counts: { readonly waiting: number; readonly sent: number; readonly failures: number; readonly dropped: number };
};

const MOST_WAITING = 1000;
const MOST_AT_ONCE = 50;
const LONGEST_PAUSE_MS = 5 * 60_000;
const OLDEST_MS = 24 * 3_600_000;

export function openWebhook(settings: WebhookSettings, { host, log }: { host: string; log: Log }): Webhook {
  const queue: Envelope[] = [];
  const counts = { waiting: 0, sent: 0, failures: 0, dropped: 0 };
  const ended = new AbortController();
  let running: Promise<void> | undefined;

  const run = async () => {
    let pause = settings.backoffMs ?? 1000;
    while (queue.length > 0 && !ended.signal.aborted) {
      dropOld(queue, counts);
      const batch = queue.slice(0, MOST_AT_ONCE);
      if (batch.length === 0) break;
      try {
        await post(settings, batch, ended.signal);
        queue.splice(0, batch.length);
        counts.sent += batch.length;
        pause = settings.backoffMs ?? 1000;
      } catch (error) {
        if (ended.signal.aborted) return;
        counts.failures++;
        log.warn("webhook: events were not taken", { webhook: settings.name, waiting: queue.length, pauseMs: pause, error: messageOf(error) });
        await delay(pause * (0.5 + Math.random() / 2), undefined, { signal: ended.signal, ref: false }).catch(() => {});
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
    running = undefined;
  };

  return {
    name: settings.name,
    get counts() {
      return { ...counts, waiting: queue.length };
    },
    emit(event) {
      if (settings.kinds !== undefined && !settings.kinds.includes(event.kind)) return;
      if (queue.length >= MOST_WAITING) {
        if (counts.dropped++ === 0) log.warn("webhook: events are dropped, too many wait", { webhook: settings.name });
        return;
      }
      queue.push(toEnvelope(event, host));
      // After this turn: what happens together is one request.
      running ??= Promise.resolve().then(run);
    },
    async [Symbol.asyncDispose]() {
      // What can be delivered now is; nobody waits for a listener that is away.
      const late = setTimeout(() => ended.abort(), 2000);
      if (counts.failures > 0) ended.abort();
      await running;
      clearTimeout(late);
      ended.abort();
    },
  };
}

function dropOld(queue: Envelope[], counts: { dropped: number }): void {
  const limit = new Date(Date.now() - OLDEST_MS).toISOString();
  const fresh = queue.findIndex(({ timestamp }) => timestamp >= limit);
  counts.dropped += queue.splice(0, fresh < 0 ? queue.length : fresh).length;
}

/** @throws when the answer is not 2xx: a redirect is not followed, the headers are for this address alone */
async function post({ url, headers, timeoutMs = 5000 }: WebhookSettings, events: readonly Envelope[], ended: AbortSignal): Promise<void> {
  const { request } = process.getBuiltinModule(url.startsWith("https:") ? "node:https" : "node:http");
  const body = JSON.stringify({ events });
  const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const outgoing = request(url, { method: "POST", signal, headers: { "content-type": ENVELOPE_TYPE, "content-length": Buffer.byteLength(body), ...headers } }, (response) => {
    response.resume().once("end", () => resolve(response.statusCode ?? 0)).once("error", reject);
  });
  outgoing.once("error", reject).end(body);
  const status = await promise;
  if (status < 200 || status > 299) throw new Error(`it answered ${status}`);
}
