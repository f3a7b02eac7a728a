/** Joins the policy that is in force and who is told of refusals. See trust.ts. */
import { fail } from "#base/errors.ts";
import { canonical, familiar } from "#spec/reference.ts";
import { DEFAULT_POLICY_PATH } from "./default-path.ts";
import type { Advice, InForce } from "./in-force.ts";
import { readOwn } from "./read-own.ts";
import type { Approval, Refusal, Trust, TrustOptions } from "./trust.ts";

const NO_POLICY: Approval = { rule: "" };

const ADVICE: Readonly<Record<Advice, string>> = {
  change: "use an image the policy allows, or change the policy",
  sign: "have it signed by a signer of that rule, or pull a digest that is",
  pull: "pull it from its registry, so that its signature is verified",
};

export async function openTrust({ path, log, refused }: TrustOptions): Promise<Trust> {
  let inForce = path === undefined ? undefined : await readPolicy(path);

  function refuse(refusal: Refusal, advice: Advice): Error {
    const { act, reference, digest, rule, reason } = refusal;
    log.warn("the trust policy refused an image", { ...refusal });
    refused(refusal);
    const what = `${act} ${reference}${digest === "" ? "" : ` (${digest})`}`;
    const by = `${rule === "default" ? "the default" : `rule ${JSON.stringify(rule)}`} of ${inForce?.path}`;
    return fail("forbidden", `${what}: refused by ${by}: ${reason}; ${ADVICE[advice]}`, { facts: { ...refusal } });
  }

  return {
    admit(act, reference) {
      const verdict = inForce?.admits(act, reference);
      if (verdict === undefined || "approval" in verdict) return;
      const { rule, reason, advice } = verdict;
      throw refuse({ act, reference: familiar(reference), digest: reference.digest ?? "", rule, reason }, advice);
    },
    async check(reference, descriptor, source, signal) {
      const verdict = await inForce?.judge(reference, descriptor, source, signal);
      if (verdict === undefined) return NO_POLICY;
      if ("approval" in verdict) return verdict.approval;
      const { rule, reason, advice } = verdict;
      throw refuse({ act: "pull", reference: familiar(reference), digest: descriptor.digest, rule, reason }, advice);
    },
    run(image) {
      const verdicts = inForce?.judgeLocal(image) ?? [];
      if (verdicts.some((verdict) => "approval" in verdict)) return;
      for (const verdict of verdicts) {
        if ("reason" in verdict) throw refuse({ act: "run", reference: image.ref, digest: image.digest, rule: verdict.rule, reason: verdict.reason }, verdict.advice);
      }
    },
    async explain(reference, descriptor, source, signal) {
      const told = { reference: canonical(reference), digest: descriptor?.digest ?? reference.digest ?? "" };
      if (inForce === undefined) return { ...told, rule: "", action: "allow", allowed: true, signer: "", reason: "" };
      const { name: rule, action } = inForce.decide(reference);
      const verdict = await inForce.judge(reference, descriptor, source, signal);
      if ("approval" in verdict) return { ...told, rule, action, allowed: true, signer: verdict.approval.signer ?? "", reason: "" };
      return { ...told, rule, action, allowed: false, signer: "", reason: verdict.reason };
    },
    policy: () => inForce,
    async reload(fresh) {
      inForce = await readPolicy(fresh);
    },
  };
}

async function readPolicy(path: string): Promise<InForce | undefined> {
  const bytes = await readOwn(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && path === DEFAULT_POLICY_PATH) return undefined;
    throw fail("invalid", `read the trust policy: ${error.message}`, { cause: error });
  });
  if (bytes === undefined) return undefined;
  const { openPolicy } = await import("./in-force.ts");
  return await openPolicy(path, bytes);
}
