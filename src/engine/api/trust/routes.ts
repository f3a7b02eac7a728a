/** /gantry/trust: what the trust policy is, and what it says of an image. Ours. */
import { fail } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { text } from "../query.ts";
import { authOf } from "../registries/auth.ts";

export function trustRoutes({ trust, registries }: Pick<ApiParts, "trust" | "registries">): ApiRoute[] {
  async function show(): Promise<Answer> {
    const inForce = trust.policy();
    if (inForce === undefined) return ok({ Path: "", Default: "allow", Rules: [] });
    return ok({ Path: inForce.path, Default: inForce.policy.fallback, Rules: inForce.policy.rules });
  }

  async function check({ query, headers, signal }: ApiCall): Promise<Answer> {
    const image = text(query, "image");
    if (image === "") throw fail("invalid", "check an image against the trust policy: no image is given");
    const { reference, digest, rule, action, allowed, signer, reason } = await registries.explainTrust(image, { auth: authOf(headers), signal });
    return ok({ Image: reference, Digest: digest, Rule: rule, Action: action, Allowed: allowed, Signer: signer, Reason: reason });
  }

  return [
    { method: "GET", path: "/gantry/trust/policy", run: show },
    { method: "GET", path: "/gantry/trust/check", run: check },
  ];
}
