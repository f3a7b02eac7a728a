/** What a step may only do if the client and the engine's configuration allow it, and what no step can. Pure. */
import { fail } from "#base/errors.ts";
import type { ExecOp } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import type { RunParts } from "./run.ts";
import { networkModeOf } from "./step.ts";

const NETWORKS = new Set(["default", "bridge", "none", "host"]);

/** @throws forbidden; invalid for words that mean nothing; not-implemented for devices */
export function checkEntitled(op: ExecOp, context: Pick<StepContext, "run" | "entitlements">, allowed: ReturnType<RunParts["allowed"]>): void {
  const security: unknown = op.security;
  if (security !== "sandbox" && security !== "insecure") throw fail("invalid", `invalid security mode ${JSON.stringify(security)}`);
  if (security === "insecure") entitle("security.insecure", context.entitlements, { known: allowed.securityInsecure, key: "security-insecure" });
  const network = networkModeOf(op, context);
  // A network of the user's: of the whole build (classic), never of one step.
  if (op.network !== context.run.network && !NETWORKS.has(op.network)) throw fail("invalid", `invalid network mode ${JSON.stringify(op.network)}`);
  if (network === "host") entitle("network.host", context.entitlements, { known: allowed.networkHost, key: "network-host" });
  if (op.devices.length > 0) throw fail("not-implemented", `RUN --device=${op.devices[0]!.name}: devices in builds (CDI) are not supported`);
}

function entitle(name: string, given: readonly string[], { known, key }: { known: boolean; key: string }): void {
  if (!known) throw fail("forbidden", `granting entitlement ${name} is not allowed by build daemon configuration (daemon.json: builder.entitlements.${key})`, { facts: { entitlement: name } });
  if (!given.includes(name)) throw fail("forbidden", `${name} is not allowed`, { facts: { entitlement: name } });
}
