import type { Call } from "#base/http.ts";
import { messageOf } from "#base/errors.ts";

const LIMIT_MS = 5_000;

/** 200 while what the registry stands on answers, else 503. Says to strangers nothing but that. */
export function healthDoor(check: (() => Promise<void>) | undefined): (call: Call) => Promise<void> {
  let running: Promise<string> | undefined;
  return async (call) => {
    // Many who ask at once are one question.
    running ??= ask(check).finally(() => (running = undefined));
    const text = await running;
    call.response.writeHead(text === "" ? 200 : 503, { "content-type": "application/json", "cache-control": "no-store" }).end(text === "" ? "{}\n" : '{"storage":"unavailable"}\n');
  };
}

async function ask(check: (() => Promise<void>) | undefined): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve("no answer in time"), LIMIT_MS);
  try {
    return await Promise.race([promise, check?.().then(() => "") ?? ""]);
  } catch (error) {
    return messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}
