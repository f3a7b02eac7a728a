/**
 * What a build says of itself, beside the image: provenance and SBOM as in-toto statements, in one manifest a platform, which
 * an index holds next to the image's. Only on request.
 */
import { fail } from "#base/errors.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import { formatPlatform } from "#spec/platform.ts";
import { familiarRepository, parseReference, withDefaultTag } from "#spec/reference.ts";
import { type MadeImage, type Making, rootOf, storeJson, storeText } from "./images.ts";
import { provenance } from "./provenance.ts";
import { sbom } from "./sbom.ts";

export type Attestation = { readonly manifest: Descriptor; readonly parts: readonly Descriptor[] };

export type Predicate = { readonly type: string; readonly value: Readonly<Record<string, unknown>> };

const STATEMENT = "https://in-toto.io/Statement/v0.1";
const LAYER = "application/vnd.in-toto+json";

export async function attest(making: Making, images: readonly MadeImage[]): Promise<Attestation[]> {
  if (wanted(making).length === 0) return [];
  if (!making.options.oci) throw fail("invalid", 'cannot export attestations with "oci-mediatypes=false"');
  const made: Attestation[] = [];
  for (const [index, image] of images.entries()) made.push(await attestImage(making, image, await predicatesOf(making, index)));
  return made;
}

/** Of the image at this place among those that were planned. Empty: nothing was asked for. */
export const predicatesOf = async (making: Making, index: number): Promise<Predicate[]> => await Promise.all(wanted(making).map((make) => make(index)));

export type Subject = { readonly name: string; readonly digest: { readonly sha256: string } };

export const statementOf = (subject: readonly Subject[], { type, value }: Predicate) => ({ _type: STATEMENT, predicateType: type, subject, predicate: value });

type Make = (index: number) => Promise<Predicate>;

/** What clients ask for by themselves ("inline-only") is for exports that have a place for it anyway. */
function wanted(making: Making): Make[] {
  const { outcome } = making;
  const { attestations } = outcome.request;
  const found: Make[] = [];
  for (const [kind, options] of Object.entries(attestations)) {
    if (options["disabled"] === "true" || options["inline-only"] === "true") continue;
    if (kind === "provenance") found.push(async (index) => provenance(making, options, index));
    else if (kind === "sbom") found.push((index) => sbom(making, options, rootOf(outcome.solved, index)));
    else throw fail("invalid", `unknown attestation type ${JSON.stringify(kind)}`);
  }
  return found;
}

async function attestImage(making: Making, image: MadeImage, predicates: readonly Predicate[]): Promise<Attestation> {
  const subject = subjects(making, image);
  const layers: Descriptor[] = [];
  for (const predicate of predicates) {
    const stored = await storeText(making, LAYER, JSON.stringify(statementOf(subject, predicate)));
    layers.push({ ...stored, annotations: { "in-toto.io/predicate-type": predicate.type } });
  }
  const config = await storeText(making, MEDIA.ociConfig, JSON.stringify({
    architecture: "unknown", os: "unknown", config: {}, rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  }));
  const manifest = await storeJson(making, MEDIA.ociManifest, { config, layers });
  return {
    manifest: {
      ...manifest,
      annotations: { "vnd.docker.reference.digest": image.manifest.digest, "vnd.docker.reference.type": "attestation-manifest" },
      platform: { architecture: "unknown", os: "unknown" },
    },
    parts: [config, ...layers],
  };
}

/** The image under each of its names, as package URLs. */
function subjects({ options }: Making, { manifest, platform }: MadeImage): Subject[] {
  const digest = { sha256: manifest.digest.slice("sha256:".length) };
  const names = options.names.map((name) => `${imageUrl(name)}?platform=${encodeURIComponent(formatPlatform(platform))}`);
  return (names.length === 0 ? ["_"] : names).map((name) => ({ name, digest }));
}

/** "pkg:docker/busybox@latest". https://github.com/package-url/purl-spec */
export function imageUrl(name: string): string {
  const reference = withDefaultTag(parseReference(name));
  const version = reference.tag === undefined ? "" : `@${reference.tag}`;
  return `pkg:docker/${familiarRepository(reference).split("/").map(encodeURIComponent).join("/")}${version}`;
}
