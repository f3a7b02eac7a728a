/**
 * Health checks: what a container's configuration asks for, and what follows from a probe. Pure; the probes are made by
 * monitor.ts.
 *
 * As Docker: a container is `starting` until a probe succeeds (then `healthy`) or `retries` in a row have failed (then
 * `unhealthy`); while it starts, failures within the start period do not count. Times are milliseconds here, nanoseconds
 * in the configuration.
 */
import type { ContainerConfig, HealthConfig } from "#spec/docker.ts";

export type HealthCheck = {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
};

export type Health = {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The newest five, oldest first. */
  readonly log: readonly Probe[];
};

/** Times are RFC 3339. exitCode: 0 healthy, -1 it was given up. */
export type Probe = { readonly start: string; readonly end: string; readonly exitCode: number; readonly output: string };

export const STARTING: Health = { status: "starting", failingStreak: 0, log: [] };
const KEPT = 5;
const DEFAULTS = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000, retries: 3 };

/** Undefined when there is nothing to check. */
export function healthCheckOf({ Healthcheck: given, Shell: shell }: Pick<ContainerConfig, "Healthcheck" | "Shell">): HealthCheck | undefined {
  const command = commandOf(given?.Test ?? [], shell);
  if (given === undefined || command === undefined) return undefined;
  const time = (nanos: number | undefined, otherwise: number) => (nanos === undefined || nanos === 0 ? otherwise : nanos / 1e6);
  return {
    command,
    interval: time(given.Interval, DEFAULTS.interval),
    timeout: time(given.Timeout, DEFAULTS.timeout),
    startPeriod: time(given.StartPeriod, DEFAULTS.startPeriod),
    startInterval: time(given.StartInterval, DEFAULTS.startInterval),
    retries: given.Retries === undefined || given.Retries <= 0 ? DEFAULTS.retries : given.Retries,
  };
}

function commandOf([kind, ...words]: readonly string[], shell: readonly string[] = []): string[] | undefined {
  if (words.length === 0) return undefined;
  if (kind === "CMD") return words;
  return kind === "CMD-SHELL" ? [...(shell.length > 0 ? shell : ["/bin/sh", "-c"]), words.join(" ")] : undefined;
}

/** What the user left open is taken from the image, field by field. */
export function mergeHealth(asked: HealthConfig | undefined, image: HealthConfig | undefined): HealthConfig | undefined {
  if (asked === undefined || image === undefined) return asked ?? image;
  const test = asked.Test === undefined || asked.Test.length === 0 ? image.Test : asked.Test;
  return { ...image, ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== 0)), ...(test === undefined ? {} : { Test: test }) };
}

/** `age`: milliseconds from the container's start to the probe's. */
export function afterProbe(before: Health, probe: Probe, { check, age }: { check: HealthCheck; age: number }): Health {
  const log = [...before.log, probe].slice(-KEPT);
  if (probe.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  const excused = before.status === "starting" && age < check.startPeriod;
  const failingStreak = before.failingStreak + (excused ? 0 : 1);
  return { status: failingStreak >= check.retries ? "unhealthy" : before.status, failingStreak, log };
}

/** Milliseconds until the next probe. */
export function nextProbe(check: HealthCheck, { status }: Health, age: number): number {
  return status === "starting" && age < check.startPeriod ? check.startInterval : check.interval;
}
