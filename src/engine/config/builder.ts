/** daemon.json's `builder`: what builds may be allowed, and what is kept of them. Pure. */
import { fail } from "#base/errors.ts";
import { type BuilderGc, type BuildHistorySettings, parseBuilderGc, parseBuildHistory } from "./builder-gc.ts";

export type BuilderSettings = {
  /** What a client may grant its builds; what it must grant all the same. */
  readonly entitlements: { readonly networkHost: boolean; readonly securityInsecure: boolean };
  /** When the build cache goes by itself, and how many builds are remembered. */
  readonly gc: BuilderGc;
  readonly history: BuildHistorySettings;
};

const KEYS = ["network-host", "security-insecure"] as const;

/** dockerd's defaults: the host's network may be granted, all privileges may not. @throws invalid; not-implemented for what is not acted on */
export function parseBuilder(given: Readonly<Record<string, unknown>>): BuilderSettings {
  const { entitlements = {}, gc, history, ...rest } = given;
  const other = Object.keys(rest)[0];
  if (other !== undefined) throw fail("not-implemented", `builder.${other}: Gantry does not act on this setting yet; leave it out`);
  if (entitlements === null || typeof entitlements !== "object" || Array.isArray(entitlements)) throw fail("invalid", "builder.entitlements: an object is expected");
  const said = entitlements as Readonly<Record<string, unknown>>;
  for (const [key, value] of Object.entries(said)) {
    if (!(KEYS as readonly string[]).includes(key)) throw fail("not-implemented", `builder.entitlements.${key}: Gantry does not know this entitlement; leave it out`);
    if (typeof value !== "boolean") throw fail("invalid", `builder.entitlements.${key}: true or false is expected, not ${JSON.stringify(value)}`);
  }
  return { entitlements: { networkHost: said["network-host"] !== false, securityInsecure: said["security-insecure"] === true }, gc: parseBuilderGc(gc), history: parseBuildHistory(history) };
}
