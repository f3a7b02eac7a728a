/** A policy whose keys were read: what is asked of it needs no files. Loaded when there is one. */
import { dirname, resolve } from "node:path";
import { fail, messageOf } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import { type Reference, repository } from "#spec/reference.ts";
import { findSignature } from "./find-signature.ts";
import { decide, type Decision, parsePolicy, type Policy } from "./policy.ts";
import { type OpenSigner, openSigner } from "./signer.ts";
import { type Approval, type LocalImage, type LocalName, signerOf, type SignatureSource } from "./trust.ts";

export type InForce = {
  readonly path: string;
  readonly policy: Policy;
  decide(reference: Reference): Decision;
  judge(reference: Reference, descriptor: Descriptor | undefined, source: SignatureSource | undefined, signal: AbortSignal): Promise<Verdict>;
  /** By name alone. */
  admits(act: "pull" | "load", reference: Reference): Verdict;
  /** One for each name; for an image without any, the default's. */
  judgeLocal(image: LocalImage): Verdict[];
};

/** `advice`: what helps against a refusal for that reason. */
export type Verdict = { readonly approval: Approval } | { readonly rule: string; readonly reason: string; readonly advice: Advice };
export type Advice = "change" | "sign" | "pull";

/** @throws invalid */
export async function openPolicy(path: string, bytes: Uint8Array): Promise<InForce> {
  try {
    const policy = parsePolicy(bytes);
    const signers = new Map<string, readonly OpenSigner[]>();
    for (const rule of policy.rules) {
      if (rule.action === "verify") signers.set(rule.name, await Promise.all(rule.signedBy.map((signer) => openSigner(signer, (file) => resolve(dirname(path), file)))));
    }
    return judging(path, policy, signers);
  } catch (error) {
    throw fail("invalid", `${messageOf(error)} (${path})`, { cause: error });
  }
}

function judging(path: string, policy: Policy, signers: ReadonlyMap<string, readonly OpenSigner[]>): InForce {
  const decisionOf = (reference: Reference) => decide(policy, repository(reference));
  return {
    path,
    policy,
    decide: decisionOf,
    admits(act, reference) {
      const { name: rule, action } = decisionOf(reference);
      if (action === "deny") return denied(rule);
      if (action === "allow" || act === "pull") return { approval: { rule } };
      return { rule, reason: "it needs a signature, and an archive brings none", advice: "pull" };
    },
    async judge(reference, descriptor, source, signal) {
      const decision = decisionOf(reference);
      const rule = decision.name;
      if (decision.action === "deny") return denied(rule);
      if (decision.action === "allow") return { approval: { rule } };
      if (descriptor === undefined || source === undefined) return { rule, reason: "it needs a signature, and there is no registry to ask for one", advice: "pull" };
      const found = await findSignature(source, descriptor.digest, signers.get(rule) ?? [], signal);
      return "signer" in found ? { approval: { rule, signer: found.signer } } : { rule, reason: found.reason, advice: "sign" };
    },
    judgeLocal({ names, digest }) {
      if (names.length > 0) return names.map((name) => judgeName(name, digest));
      const rule = "default";
      return [policy.fallback === "allow" ? { approval: { rule } } : { rule, reason: "it has no name", advice: "change" }];
    },
  };

  /** As it was verified when it was pulled, if that signer still is one. */
  function judgeName({ reference, labels }: LocalName, digest: Digest): Verdict {
    const { name: rule, action } = decisionOf(reference);
    if (action === "deny") return denied(rule);
    if (action === "allow") return { approval: { rule } };
    const signer = signerOf(labels, digest);
    if (signer === undefined) return { rule, reason: "it needs a signature, and none was verified when it came here", advice: "pull" };
    if (signers.get(rule)?.some(({ id }) => id === signer) === true) return { approval: { rule, signer } };
    return { rule, reason: `it was verified against ${signer}, which is no signer of the rule now`, advice: "pull" };
  }
}

const denied = (rule: string): Verdict => ({ rule, reason: rule === "default" ? "no rule allows this repository" : "it denies this repository", advice: "change" });
