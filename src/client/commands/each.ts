import { type Failure, fail, messageOf } from "#base/errors.ts";
import type { Cli } from "../client.ts";

/** At most so many at once: the engine's work is bounded by its disk and kernel, not by how much is asked at a time. */
const PARALLEL = 50;

/**
 * Does the same to each of several objects at once, and prints each name as it is done, in the order given. One that
 * fails does not keep the others from being done; all failures are told at the end.
 */
export async function doToEach(
  cli: Cli,
  names: readonly string[],
  act: (name: string) => Promise<string | void>,
): Promise<void> {
  const failures = await collect(names, async (name) => {
    const shown = await act(name);
    return () => cli.out.write(`${shown ?? name}\n`);
  });
  if (failures.length > 0) throw joined(failures);
}

async function collect(names: readonly string[], act: (name: string) => Promise<() => void>): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (let at = 0; at < names.length; at += PARALLEL) {
    const results = names.slice(at, at + PARALLEL).map((name) => act(name));
    // A later one may fail while an earlier one is waited for.
    for (const result of results) result.catch(() => {});
    for (const result of results) {
      try {
        (await result)();
      } catch (error) {
        failures.push(error);
      }
    }
  }
  return failures;
}

/** One failure that says what all of them say, a line each. */
export function joined(failures: readonly unknown[]): Failure {
  return fail("internal", failures.map(messageOf).join("\n"), { cause: failures[0] });
}

/** Filters as the API takes them. */
export function encodeFilters(filters: Readonly<Record<string, readonly string[]>>): string | undefined {
  const entries = Object.entries(filters);
  if (entries.length === 0) return undefined;
  return JSON.stringify(Object.fromEntries(entries.map(([name, values]) => [name, Object.fromEntries(values.map((value) => [value, true]))])));
}

/** `/containers/NAME` with what is needed of it escaped. */
export function containerPath(name: string, rest = ""): string {
  return `/containers/${encodeURIComponent(checkName(name))}${rest}`;
}

function checkName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === "") throw fail("invalid", "invalid container name or ID: value is empty");
  return trimmed;
}
