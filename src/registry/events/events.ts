/**
 * What happened, for whoever wants to know: webhooks, the audit log, metrics. Emitting is cheap and never fails; what is
 * slow happens later, in bounded queues.
 */
import type { Digest } from "../store/digest.ts";

export type RegistryEvent = {
  readonly kind: "push" | "pull" | "delete" | "mount";
  readonly target: "manifest" | "blob" | "tag";
  readonly repository: string;
  readonly digest?: Digest;
  readonly tag?: string;
  readonly mediaType?: string;
  readonly size?: number;
  /** Of a mount. */
  readonly from?: string;
  readonly actor: Actor;
};

export type Actor = { readonly identity: string; readonly address: string; readonly userAgent: string; readonly requestId: string };

/** Somebody was turned away: a wrong password, a token that is none, a right that is not there. Not: no credentials yet. */
export type Refusal = { readonly identity: string; readonly address: string; readonly why: "password" | "token" | "right"; readonly action: string; readonly repository?: string | undefined };

/** One request, when its answer is complete or its connection gone. `route` is one of few words, never a client's text. */
export type RequestEvent = {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  /** Since the request's head was read, in milliseconds. */
  readonly duration: number;
  readonly sent: number;
};

export type Events = AsyncDisposable & {
  emit(event: RegistryEvent): void;
  /** Undefined when nobody counts: then nothing is measured. */
  readonly request: ((event: RequestEvent) => void) | undefined;
};

// openEvents is imported from open-events.ts by whoever wants any of it.
export type { EventsSettings, OpenEvents } from "./open-events.ts";

/** Nobody listens. */
export const noEvents: Events = { emit: () => {}, request: undefined, [Symbol.asyncDispose]: async () => {} };
