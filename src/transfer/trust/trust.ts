/**
 * Trust: which repositories images may come from, and whose signatures they need. A policy file says so; without one,
 * everything is allowed and nothing is looked up.
 *
 *     const trust = await openTrust({ path: "/etc/gantry/policy.json", log, refused: (refusal) => publish(…) });
 *
 *     trust.admit("pull", reference);                                  // by name alone, before any registry is asked
 *     const { descriptor } = await remote.resolve("1.2", signal);
 *     const approval = await trust.check(reference, descriptor, remote, signal);   // before anything else is fetched
 *     …fetch that descriptor; name it with `approvalLabels(approval, descriptor.digest)`…
 *
 *     trust.run([{ reference, labels }]);                              // an image that is here already: no requests
 *
 * The first rule one of whose patterns fits the repository decides: allow, deny, or verify. To verify is to find a
 * signature over exactly the digest that was resolved, by one of the rule's signers: cosign's, under the tag
 * `sha256-DIGITS.sig` or as a bundle among the referrers. No public service is asked: keys and roots are in the policy.
 * What was verified is remembered beside the image's name, by signer: a name that came otherwise (load, tag, commit) does
 * not run under such a rule.
 *
 * A refusal is `forbidden`. Its message names the rule, the reference, the digest and what to do; it is logged, and told to
 * `refused`. A registry that does not answer about signatures is `unavailable`, which refuses too. See docs/design/trust.md.
 */
import type { Log } from "#base/log.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Reference } from "#spec/reference.ts";
import type { Remote } from "../transfer.ts";
import type { Policy } from "./policy.ts";

export { openTrust } from "./open-trust.ts";

export type Trust = {
  /** By name alone: what the policy denies, and, for an archive, what would need a signature. @throws forbidden */
  admit(act: "pull" | "load", reference: Reference): void;
  /**
   * `source`: where the reference was resolved; undefined where there is none to ask for signatures.
   * @throws forbidden, unavailable
   */
  check(reference: Reference, descriptor: Descriptor, source: SignatureSource | undefined, signal: AbortSignal): Promise<Approval>;
  /** An image that is here may run if one of the names given may; without any, if the default is to allow. @throws forbidden */
  run(image: LocalImage): void;
  /** What `check` would say, without refusing, logging or telling. */
  explain(reference: Reference, descriptor: Descriptor | undefined, source: SignatureSource | undefined, signal: AbortSignal): Promise<Explanation>;
  /** What is in force; undefined without a policy. */
  policy(): { readonly path: string; readonly policy: Policy } | undefined;
  /** Reads the file again, and takes it over if it is good. @throws invalid */
  reload(path: string): Promise<void>;
};

export type TrustOptions = {
  /** The policy file. Only the default path may be missing; undefined: no policy. */
  readonly path: string | undefined;
  readonly log: Log;
  readonly refused: (refusal: Refusal) => void;
};

/** What is asked of the registry that has the image. */
export type SignatureSource = Pick<Remote, "manifest" | "blob" | "referrers">;

export type Approval = {
  /** The rule that decided: its name, or "default". "" without a policy. */
  readonly rule: string;
  /** Who signed: "key SHA256:…" or "identity … of …". Undefined where no signature was needed. */
  readonly signer?: string;
};

export type Refusal = { readonly act: "pull" | "load" | "run"; readonly reference: string; readonly digest: string; readonly rule: string; readonly reason: string };

/** `names`: the one it was called by, or all when it was called by its id. */
export type LocalImage = { readonly ref: string; readonly digest: Digest; readonly names: readonly LocalName[] };
export type LocalName = { readonly reference: Reference; readonly labels: Readonly<Record<string, string>> };

export type Explanation = {
  readonly reference: string;
  readonly digest: string;
  readonly rule: string;
  readonly action: "allow" | "deny" | "verify";
  readonly allowed: boolean;
  readonly signer: string;
  /** Why it is not allowed; "" if it is. */
  readonly reason: string;
};

/** Beside a name in the image store: who had signed what when it was pulled. A name that moves takes it along in vain. */
const SIGNER_LABEL = "gantry.trust/signer";

export const approvalLabels = ({ signer }: Approval, digest: Digest): Record<string, string> => (signer === undefined ? {} : { [SIGNER_LABEL]: `${digest} ${signer}` });

/** Who signed that digest under this name. */
export function signerOf(labels: Readonly<Record<string, string>>, digest: Digest): string | undefined {
  const label = labels[SIGNER_LABEL];
  return label?.startsWith(`${digest} `) ? label.slice(digest.length + 1) : undefined;
}
