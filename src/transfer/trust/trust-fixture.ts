/** For tests: keys, signatures in cosign's two formats, and a repository that has them. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { fail } from "#base/errors.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import type { SignatureSource } from "./trust.ts";

export type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject; readonly pem: string };
export type Shape = "simple" | "bundle";

export function keyPair(): Pair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { publicKey, privateKey, pem: publicKey.export({ type: "spki", format: "pem" }) as string };
}

export const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
export const randomDigest = (): Digest => digestOf(randomBytes(16));

/** What lies beside an image: documents and blobs by digest or tag, as a registry holds them. */
export type Beside = {
  readonly tags: Map<string, { descriptor: Descriptor; bytes: Buffer }>;
  readonly blobs: Map<Digest, Buffer>;
  readonly referrers: Map<Digest, Descriptor[]>;
};

export const nothingBeside = (): Beside => ({ tags: new Map(), blobs: new Map(), referrers: new Map() });

/** A source that answers from memory. `asked`: what was asked of it. */
export function sourceOf({ tags, blobs, referrers }: Beside, asked: string[] = []): SignatureSource {
  return {
    async manifest(tagOrDigest) {
      asked.push(tagOrDigest);
      const found = tags.get(tagOrDigest);
      if (found === undefined) throw fail("not-found", `GET ${tagOrDigest}: 404 Not Found`);
      return found;
    },
    async *blob({ digest }) {
      asked.push(digest);
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw fail("not-found", `GET ${digest}: 404 Not Found`);
      yield bytes;
    },
    async referrers(digest) {
      asked.push(`referrers of ${digest}`);
      return referrers.get(digest) ?? [];
    },
  };
}

export const simplePayload = (digest: string, reference = "registry.example/team/app", type = "cosign container image signature"): Buffer =>
  Buffer.from(JSON.stringify({ critical: { identity: { "docker-reference": reference }, image: { "docker-manifest-digest": digest }, type }, optional: null }));

export const signBytes = (bytes: Uint8Array, key: KeyObject): string => sign("sha256", bytes, key).toString("base64");

/** Under the tag `sha256-DIGITS.sig`: a manifest with a layer for each payload. */
export function addSimple(beside: Beside, digest: Digest, payloads: readonly { bytes: Buffer; signature?: string }[]): void {
  const layers = payloads.map(({ bytes, signature }) => ({
    ...put(beside, bytes, "application/vnd.dev.cosign.simplesigning.v1+json"),
    ...(signature !== undefined && { annotations: { "dev.cosignproject.cosign/signature": signature } }),
  }));
  const config = put(beside, Buffer.from("{}"), MEDIA.ociConfig);
  putManifest(beside, { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers }, `sha256-${digits(digest)}.sig`);
}

export type Statement = { readonly predicateType?: string; readonly subject?: string; readonly payloadType?: string };

/** A bundle of version 0.3: an in-toto statement in a DSSE envelope, signed by a key. */
export function bundleOf(digest: Digest, key: KeyObject, { predicateType = "https://sigstore.dev/cosign/sign/v1", subject = digits(digest), payloadType = "application/vnd.in-toto+json" }: Statement = {}): object {
  const payload = Buffer.from(JSON.stringify({ _type: "https://in-toto.io/Statement/v1", subject: [{ digest: { sha256: subject } }], predicateType, predicate: {} }));
  const encoded = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: "aGludA==" }, tlogEntries: [] },
    dsseEnvelope: { payload: payload.toString("base64"), payloadType, signatures: [{ sig: signBytes(encoded, key) }] },
  };
}

/** Referring to the image: an artifact whose one layer is the bundle. */
export function addBundle(beside: Beside, digest: Digest, bundle: object | Buffer): void {
  const type = "application/vnd.dev.sigstore.bundle.v0.3+json";
  const layer = put(beside, Buffer.isBuffer(bundle) ? bundle : Buffer.from(JSON.stringify(bundle)), type);
  const config = put(beside, Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
  const subject = { mediaType: MEDIA.ociManifest, digest, size: 100 };
  const manifest = putManifest(beside, { schemaVersion: 2, mediaType: MEDIA.ociManifest, artifactType: type, config, layers: [layer], subject });
  beside.referrers.set(digest, [...(beside.referrers.get(digest) ?? []), manifest]);
}

export function addSignature(beside: Beside, digest: Digest, shape: Shape, key: KeyObject): void {
  if (shape === "bundle") return addBundle(beside, digest, bundleOf(digest, key));
  const bytes = simplePayload(digest);
  addSimple(beside, digest, [{ bytes, signature: signBytes(bytes, key) }]);
}

function putManifest(beside: Beside, manifest: object, tag?: string): Descriptor {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length };
  for (const name of [descriptor.digest, ...(tag === undefined ? [] : [tag])]) beside.tags.set(name, { descriptor, bytes });
  return descriptor;
}

function put({ blobs }: Beside, bytes: Buffer, mediaType: string): Descriptor {
  const digest = digestOf(bytes);
  blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.length };
}
