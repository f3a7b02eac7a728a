/** What is asked for twice at the same time is done once. */
export type Flights<T> = (key: string, work: () => Promise<T>) => Promise<T>;

export function openFlights<T>(): Flights<T> {
  const running = new Map<string, Promise<T>>();
  return (key, work) => {
    const found = running.get(key);
    if (found !== undefined) return found;
    const begun = work().finally(() => running.delete(key));
    running.set(key, begun);
    return begun;
  };
}
