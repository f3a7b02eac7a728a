/** Signals that may have fired already: a listener that is added after that is never called. */

/** Calls `act` when the signal fires; at once, if it has. Disposed of: not any more. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): Disposable {
  signal?.addEventListener("abort", act, { once: true });
  if (signal?.aborted === true) act();
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", act) };
}

/** What the work resolves to, or the signal's reason as soon as that fires; the work itself goes on. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const given = Promise.withResolvers<never>();
  using _ = onAbort(signal, () => given.reject(signal.reason));
  return await Promise.race([work, given.promise]);
}
