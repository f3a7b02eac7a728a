/** The body of POST /commit: a container's configuration, of which any part may be left out. */
import type { Json } from "#base/json.ts";
import { any, boolean, type Decoder, int, list, optional, record, string, struct } from "../decode.ts";

const strings = optional(list(string));
const set: Decoder<Record<string, Json> | null> = record(any);

const config = struct({
  User: optional(string),
  Env: strings,
  Cmd: strings,
  Entrypoint: strings,
  WorkingDir: optional(string),
  Labels: optional(record(string)),
  ExposedPorts: optional(set),
  Volumes: optional(set),
  StopSignal: optional(string),
  StopTimeout: optional(int),
  ArgsEscaped: optional(boolean),
  OnBuild: strings,
  Shell: strings,
  Healthcheck: optional(struct({ Test: strings, Interval: optional(int), Timeout: optional(int), StartPeriod: optional(int), StartInterval: optional(int), Retries: optional(int) })),
});

/** undefined when there is none. @throws invalid */
export function parseCommitConfig(json: Json | undefined): Readonly<Record<string, unknown>> | undefined {
  return json === undefined || json === null ? undefined : config(json, "config");
}
