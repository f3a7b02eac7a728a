/** Joins the policy, the signatures and who is told. See trust.ts. */
import { dirname, resolve } from "node:path";
import { fail, messageOf } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import { canonical, familiar, type Reference, repository } from "#spec/reference.ts";
import { DEFAULT_POLICY_PATH } from "./default-path.ts";
import { decide, type Decision, parsePolicy, type Policy } from "./policy.ts";
import { findSignature } from "./find-signature.ts";
import { readOwn } from "./read-own.ts";
import { openSigner, type OpenSigner } from "./signer.ts";
import { type Approval, type LocalImage, type LocalName, type Refusal, signerOf, type SignatureSource, type Trust, type TrustOptions } from "./trust.ts";

/** A policy whose keys were read: what is asked of it needs no files. */
type InForce = { readonly path: string; readonly policy: Policy; readonly signers: ReadonlyMap<string, readonly OpenSigner[]> };

type Verdict = { readonly approval: Approval } | { readonly rule: string; readonly reason: string };

const NO_POLICY: Approval = { rule: "" };

export async function openTrust({ path, log, refused }: TrustOptions): Promise<Trust> {
  let inForce = path === undefined ? undefined : await readPolicy(path);
  const refuse = (refusal: Refusal, advice: string): Error => {
    log.warn("the trust policy refused an image", { ...refusal });
    refused(refusal);
    return fail("forbidden", `${refusal.act} ${refusal.reference}${refusal.digest === "" ? "" : ` (${refusal.digest})`}: refused by ${quoted(refusal.rule)} of ${inForce?.path}: ${refusal.reason}; ${advice}`, { facts: { ...refusal } });
  };

  return {
    admit(act, reference) {
      if (inForce === undefined) return;
      const { name: rule, action } = decide(inForce.policy, repository(reference));
      const told = { act, reference: familiar(reference), digest: reference.digest ?? "", rule };
      if (action === "deny") throw refuse({ ...told, reason: denied(rule) }, ADVICE.deny);
      if (action === "verify" && act === "load") throw refuse({ ...told, reason: "it needs a signature, and an archive brings none" }, ADVICE.load);
    },
    async check(reference, descriptor, source, signal) {
      if (inForce === undefined) return NO_POLICY;
      const verdict = await judge(inForce, reference, descriptor, source, signal);
      if ("approval" in verdict) return verdict.approval;
      const { rule, reason } = verdict;
      throw refuse({ act: "pull", reference: familiar(reference), digest: descriptor.digest, rule, reason }, rule === "default" || reason === denied(rule) ? ADVICE.deny : ADVICE.verify);
    },
    run(image) {
      if (inForce === undefined) return;
      const verdicts = judgeLocal(inForce, image);
      const bad = verdicts.find((verdict) => "reason" in verdict);
      if (bad === undefined || verdicts.some((verdict) => "approval" in verdict)) return;
      const { rule, reason } = bad;
      throw refuse({ act: "run", reference: image.ref, digest: image.digest, rule, reason }, reason === denied(rule) ? ADVICE.deny : ADVICE.run);
    },
    async explain(reference, descriptor, source, signal) {
      const told = { reference: canonical(reference), digest: descriptor?.digest ?? reference.digest ?? "" };
      if (inForce === undefined) return { ...told, rule: "", action: "allow", allowed: true, signer: "", reason: "" };
      const { action } = decide(inForce.policy, repository(reference));
      const verdict = await judge(inForce, reference, descriptor, source, signal);
      if ("approval" in verdict) return { ...told, rule: verdict.approval.rule, action, allowed: true, signer: verdict.approval.signer ?? "", reason: "" };
      return { ...told, rule: verdict.rule, action, allowed: false, signer: "", reason: verdict.reason };
    },
    policy: () => inForce,
    async reload(fresh) {
      inForce = await readPolicy(fresh);
    },
  };
}

const ADVICE = {
  deny: "use an image the policy allows, or change the policy",
  load: "pull it from its registry",
  verify: "have it signed by a signer of that rule, or pull a digest that is",
  run: "pull it, so that its signature is verified",
};

const denied = (rule: string): string => (rule === "default" ? "no rule allows this repository" : "it denies this repository");
const quoted = (rule: string): string => (rule === "default" ? "the default" : `rule ${JSON.stringify(rule)}`);

async function judge(inForce: InForce, reference: Reference, descriptor: Descriptor | undefined, source: SignatureSource | undefined, signal: AbortSignal): Promise<Verdict> {
  const decision = decide(inForce.policy, repository(reference));
  const rule = decision.name;
  if (decision.action === "deny") return { rule, reason: denied(rule) };
  if (decision.action === "allow") return { approval: { rule } };
  if (descriptor === undefined || source === undefined) return { rule, reason: "it needs a signature, and there is no registry to ask for one" };
  const found = await findSignature(source, descriptor.digest, signersOf(inForce, decision), signal);
  return "signer" in found ? { approval: { rule, signer: found.signer } } : { rule, reason: found.reason };
}

function judgeLocal(inForce: InForce, { names, digest }: LocalImage): Verdict[] {
  if (names.length > 0) return names.map((name) => judgeName(inForce, name, digest));
  const rule = "default";
  return [inForce.policy.fallback === "allow" ? { approval: { rule } } : { rule, reason: "it has no name" }];
}

/** As it was verified when it was pulled, if that signer still is one. */
function judgeName(inForce: InForce, { reference, labels }: LocalName, digest: Digest): Verdict {
  const decision = decide(inForce.policy, repository(reference));
  const rule = decision.name;
  if (decision.action === "deny") return { rule, reason: denied(rule) };
  if (decision.action === "allow") return { approval: { rule } };
  const signer = signerOf(labels, digest);
  if (signer === undefined) return { rule, reason: "it needs a signature, and none was verified when it came here" };
  if (!signersOf(inForce, decision).some(({ id }) => id === signer)) return { rule, reason: `it was verified against ${signer}, which is no signer of the rule now` };
  return { approval: { rule, signer } };
}

const signersOf = ({ signers }: InForce, { name }: Decision): readonly OpenSigner[] => signers.get(name) ?? [];

async function readPolicy(path: string): Promise<InForce | undefined> {
  const bytes = await readOwn(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && path === DEFAULT_POLICY_PATH) return undefined;
    throw fail("invalid", `read the trust policy: ${error.message}`, { cause: error });
  });
  if (bytes === undefined) return undefined;
  const signers = new Map<string, readonly OpenSigner[]>();
  try {
    const policy = parsePolicy(bytes);
    for (const rule of policy.rules) {
      if (rule.action === "verify") signers.set(rule.name, await Promise.all(rule.signedBy.map((signer) => openSigner(signer, (file) => resolve(dirname(path), file)))));
    }
    return { path, policy, signers };
  } catch (error) {
    throw fail("invalid", `${messageOf(error)} (${path})`, { cause: error });
  }
}
