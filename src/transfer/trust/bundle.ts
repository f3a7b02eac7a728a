/**
 * Sigstore bundles of version 0.3: a DSSE envelope around an in-toto statement, and who signed it. The cryptography is
 * @sigstore/verify's (docs/decisions/0027). This file is loaded when there is a bundle, or a root to read.
 *
 * Beyond what the library checks:
 * - With a key, only that key counts: entries of public logs beside the signature are left aside, certificates refused.
 * - Without, one entry of a log, one certificate timestamp and one time are needed, all of the pinned root, and identity
 *   and issuer must be equal to the policy's: the library would take the identity as an expression that may match inside.
 */
import { type KeyObject } from "node:crypto";
import { type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, type TrustMaterial, Verifier } from "@sigstore/verify";
import { fail, messageOf } from "#base/errors.ts";

/** @throws invalid */
export function parseRoot(json: unknown): TrustMaterial {
  const material = toTrustMaterial(TrustedRoot.fromJSON(json), noKeys);
  if (material.certificateAuthorities.length === 0 || material.tlogs.length === 0) throw fail("invalid", "it names no certificate authority or no log");
  return material;
}

/** The door for keys, shut. */
const noKeys = (): never => {
  throw fail("invalid", "it is signed by a key, and an identity is asked for");
};

/** @throws invalid */
export function verifyWithKey(json: unknown, key: KeyObject): void {
  const bundle = read(json);
  if (bundle.verificationMaterial.content.$case !== "publicKey") throw fail("invalid", "it is signed by an identity, and a key is asked for");
  const material = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [], publicKey: () => ({ publicKey: key, validFor: () => true }) };
  const verifier = new Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify({ ...toSignedEntity(bundle), tlogEntries: [], timestamps: [] });
}

export type Identity = { readonly issuer: string; readonly identity: string };

/** @throws invalid */
export function verifyWithRoot(json: unknown, root: unknown, wanted: Identity): void {
  const verifier = new Verifier(root as TrustMaterial, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
  const bundle = read(json);
  if (bundle.verificationMaterial.content.$case !== "certificate") noKeys();
  const { identity } = verifier.verify(toSignedEntity(bundle));
  const [who, issuer] = [identity?.subjectAlternativeName, identity?.extensions?.issuer];
  if (who !== wanted.identity || issuer !== wanted.issuer) throw fail("invalid", `it is signed by ${who} of ${issuer}`);
}

/** What the envelope says, once it is verified: the payload's type and bytes. */
export function payloadOf(json: unknown): { type: string; payload: Buffer } {
  const { content } = read(json);
  if (content.$case !== "dsseEnvelope") throw fail("invalid", "it signs a file, not a statement about an image");
  return { type: content.dsseEnvelope.payloadType, payload: content.dsseEnvelope.payload };
}

function read(json: unknown): Bundle {
  try {
    return bundleFromJSON(json);
  } catch (error) {
    throw fail("invalid", `it is no bundle: ${messageOf(error)}`, { cause: error });
  }
}
