/**
 * Looks for a signature over a digest, as cosign leaves them beside an image: under a tag made of the digest (a manifest
 * whose layers are payloads, with the signature in their annotations), and as bundles that refer to it.
 */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { type Descriptor, MEDIA, parseManifest, readJson } from "#spec/image.ts";
import type { OpenSigner } from "./signer.ts";
import type { SignatureSource } from "./trust.ts";

export type Found = { readonly signer: string } | { readonly reason: string };

/** A registry may list what it likes: so many are looked at, and no larger ones. */
const MOST = 50;
const MAX_SIZE = 2 ** 20;

const SIGNATURE = "dev.cosignproject.cosign/signature";
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_TYPE = "cosign container image signature";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT = "application/vnd.in-toto+json";
const SIGNED = "https://sigstore.dev/cosign/sign/v1";

type Search = { readonly source: SignatureSource; readonly digest: Digest; readonly signers: readonly OpenSigner[]; readonly signal: AbortSignal };
/** A signature that was there: by one of the signers, or why it does not count. */
type Seen = { readonly signer: string } | { readonly odd: string };

/** @throws unavailable when the registry does not answer: what cannot be looked at is not vouched for. */
export async function findSignature(source: SignatureSource, digest: Digest, signers: readonly OpenSigner[], signal: AbortSignal): Promise<Found> {
  const search = { source, digest, signers, signal };
  const odd: string[] = [];
  for (const look of [taggedSignatures, bundles]) {
    for await (const seen of look(search)) {
      if ("signer" in seen) return seen;
      odd.push(seen.odd);
    }
  }
  const wanted = signers.map(({ id }) => id).join(" or ");
  if (odd.length === 0) return { reason: `it has no signature; one by ${wanted} is needed` };
  return { reason: `none of its ${odd.length} signatures counts; one by ${wanted} is needed (${[...new Set(odd)].slice(0, 3).join("; ")})` };
}

async function* taggedSignatures(search: Search): AsyncGenerator<Seen> {
  const document = await ifThere(search.source.manifest(`sha256-${digits(search.digest)}.sig`, search.signal));
  if (document === undefined) return;
  const manifest = await tried(() => parseManifest(document.bytes, document.descriptor.mediaType));
  if ("odd" in manifest) return yield manifest;
  const layers = manifest.value.layers.filter(({ mediaType }) => mediaType === SIMPLE_SIGNING);
  for (const layer of layers.slice(0, MOST)) yield await judgePayload(search, layer);
}

async function judgePayload(search: Search, layer: Descriptor): Promise<Seen> {
  const signature = layer.annotations?.[SIGNATURE];
  if (signature === undefined) return { odd: "a payload has no signature" };
  const payload = await smallBlob(search, layer);
  if ("odd" in payload) return payload;
  const signer = search.signers.find(({ signed }) => signed(payload.value, Buffer.from(signature, "base64")));
  // Only what is signed is read.
  if (signer === undefined) return { odd: "a signature is by somebody else" };
  const what = await tried(() => signedDigest(payload.value));
  if ("odd" in what) return what;
  return what.value === search.digest ? { signer: signer.id } : { odd: `a signature is over ${what.value}` };
}

/** https://github.com/containers/image/blob/main/docs/containers-signature.5.md */
function signedDigest(payload: Buffer): unknown {
  const { critical } = readJson(payload, "a signature's payload", MAX_SIZE) as { critical?: { type?: unknown; image?: { "docker-manifest-digest"?: unknown } } };
  if (critical?.type !== SIGNATURE_TYPE) throw fail("invalid", `a signature is no ${SIGNATURE_TYPE}`);
  return critical.image?.["docker-manifest-digest"];
}

/** First those that are listed as bundles; then the rest, as cosign up to 2.6 lists them by another type. */
async function* bundles(search: Search): AsyncGenerator<Seen> {
  const { source, digest, signal } = search;
  const looked = new Set<Digest>();
  for (const type of [BUNDLE, undefined]) {
    const listed = (await ifThere(source.referrers(digest, signal, type))) ?? [];
    const fresh = listed.filter(({ digest: at }) => !looked.has(at)).slice(0, MOST - looked.size);
    for (const { digest: at } of fresh) looked.add(at);
    yield* bundlesOf(search, fresh);
  }
}

async function* bundlesOf(search: Search, listed: readonly Descriptor[]): AsyncGenerator<Seen> {
  const { source, signal } = search;
  for (const { digest: at } of listed) {
    const document = await ifThere(source.manifest(at, signal));
    const manifest = document && (await tried(() => parseManifest(document.bytes, MEDIA.ociManifest)));
    if (manifest === undefined || "odd" in manifest) continue;
    for (const layer of manifest.value.layers.filter(({ mediaType }) => mediaType === BUNDLE).slice(0, 1)) yield await judgeBundle(search, layer);
  }
}

async function judgeBundle(search: Search, layer: Descriptor): Promise<Seen> {
  const blob = await smallBlob(search, layer);
  if ("odd" in blob) return blob;
  const bundle = await tried(() => readJson(blob.value, "a signature's bundle", MAX_SIZE));
  if ("odd" in bundle) return bundle;
  const reasons: string[] = [];
  for (const signer of search.signers) {
    const verified = await tried(() => signer.verifyBundle(bundle.value));
    if ("odd" in verified) reasons.push(`a bundle does not count for ${signer.id}: ${verified.odd}`);
    else return await judgeStatement(search, signer, bundle.value);
  }
  return { odd: reasons.join(", ") };
}

/** The same key may sign other things about an image: bills of material, results of a scan. */
async function judgeStatement({ digest }: Search, signer: OpenSigner, bundle: unknown): Promise<Seen> {
  const statement = await tried(async () => {
    const { payloadOf } = await import("./bundle.ts");
    const { type, payload } = payloadOf(bundle);
    if (type !== STATEMENT) throw fail("invalid", `a bundle holds ${JSON.stringify(type)}`);
    return readJson(payload, "a bundle's statement", MAX_SIZE) as { predicateType?: unknown; subject?: { digest?: { sha256?: unknown } }[] };
  });
  if ("odd" in statement) return statement;
  const { predicateType, subject } = statement.value;
  if (predicateType !== SIGNED) return { odd: `a bundle says ${JSON.stringify(predicateType)}, which approves nothing` };
  const covers = Array.isArray(subject) && subject.some((each) => each?.digest?.sha256 === digits(digest));
  return covers ? { signer: signer.id } : { odd: "a bundle is over another digest" };
}

/** Size is a claim; whoever sends more or less than it is found out by the source. */
async function smallBlob({ source, signal }: Search, descriptor: Descriptor): Promise<{ value: Buffer } | { odd: string }> {
  if (descriptor.size > MAX_SIZE) return { odd: `a signature of ${descriptor.size} bytes` };
  const gather = async () => Buffer.concat(await Array.fromAsync(source.blob(descriptor, signal)));
  const bytes = await ifThere(gather());
  return bytes === undefined ? { odd: "a signature is listed and not there" } : { value: bytes };
}

/** What is wrong with a signature is a reason not to count it; that the registry does not answer is not. */
async function tried<T>(work: () => T | Promise<T>): Promise<{ value: T } | { odd: string }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (kindOf(error) === "unavailable" || kindOf(error) === "cancelled") throw error;
    return { odd: messageOf(error).slice(0, 200) };
  }
}

async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (kindOf(error) === "not-found") return undefined;
    throw error;
  }
}
