/** What images an archive holds: an OCI layout's index, or Docker's manifest.json. */
import { fail } from "#base/errors.ts";
import type { Content } from "#core/content/content.ts";
import type { Lease } from "#core/leases/leases.ts";
import { type Descriptor, MEDIA, parseDescriptor } from "#spec/image.ts";
import { canonical, tryReference, withDefaultTag } from "#spec/reference.ts";
import type { Archive } from "./archive.ts";

/** An image of an archive: what it is, and the canonical names it shall have. */
export type Loadable = { readonly target: Descriptor; readonly names: string[] };

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";
const MAX_IMAGES = 1000;

/** @throws invalid */
export async function imagesOf(archive: Archive, content: Content, lease: Lease): Promise<Loadable[]> {
  const images = archive.has("oci-layout") ? ociImages(archive) : await dockerImages(archive, content, lease);
  const merged = new Map<string, Loadable>();
  for (const { target, names } of images) {
    const known = merged.get(target.digest);
    if (known === undefined) merged.set(target.digest, { target, names });
    else known.names.push(...names.filter((name) => !known.names.includes(name)));
  }
  return [...merged.values()];
}

function ociImages(archive: Archive): Loadable[] {
  const layout = object(archive.json("oci-layout"), "oci-layout");
  if (layout["imageLayoutVersion"] !== "1.0.0") throw fail("invalid", "read the archive: its OCI layout is not version 1.0.0");
  const index = object(archive.json("index.json"), "index.json");
  return list(index["manifests"], "index.json").map((item) => {
    const { annotations, ...target } = parseDescriptor(item, "index.json");
    const rest = Object.entries(annotations ?? {}).filter(([key]) => key !== IMAGE_NAME && key !== REF_NAME);
    const name = ociName(annotations ?? {});
    return {
      target: rest.length === 0 ? target : { ...target, annotations: Object.fromEntries(rest) },
      names: name === undefined ? [] : [name],
    };
  });
}

/** The full name, if there is one. A bare tag ("latest"), as OCI has it, names no repository. */
function ociName(annotations: Readonly<Record<string, string>>): string | undefined {
  const full = annotations[IMAGE_NAME];
  const short = annotations[REF_NAME];
  const text = full ?? (short !== undefined && /[/:]/.test(short) ? short : undefined);
  const reference = text === undefined ? undefined : tryReference(text);
  return reference === undefined ? undefined : canonical(withDefaultTag(reference));
}

async function dockerImages(archive: Archive, content: Content, lease: Lease): Promise<Loadable[]> {
  if (!archive.has("manifest.json")) throw fail("invalid", "read the archive: it is no archive of images: it has neither oci-layout nor manifest.json");
  const items = list(archive.json("manifest.json"), "manifest.json");
  const images: Loadable[] = [];
  for (const item of items) images.push(await dockerImage(archive, object(item, "manifest.json"), content, lease));
  return images;
}

/** A manifest over the files as they are: what was not compressed stays so. */
async function dockerImage(archive: Archive, item: Record<string, unknown>, content: Content, lease: Lease): Promise<Loadable> {
  const config = await archive.blob(text(item["Config"]));
  const layers: Descriptor[] = [];
  for (const path of list(item["Layers"] ?? [], "manifest.json").map(text)) {
    const { digest, size } = await archive.blob(path);
    layers.push({ mediaType: layerType(archive, path), digest, size });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.dockerManifest,
    config: { mediaType: MEDIA.dockerConfig, digest: config.digest, size: config.size },
    layers,
  };
  const { digest, size } = await content.ingest(lease, [Buffer.from(JSON.stringify(manifest))]);
  return { target: { mediaType: MEDIA.dockerManifest, digest, size }, names: list(item["RepoTags"] ?? [], "manifest.json").map(tagName) };
}

function layerType(archive: Archive, path: string): string {
  const compression = archive.compression(path);
  if (compression === "gzip") return MEDIA.dockerLayerGzip;
  if (compression === "zstd") return `${MEDIA.dockerLayer}.zstd`;
  return MEDIA.dockerLayer;
}

function tagName(item: unknown): string {
  const reference = tryReference(text(item));
  if (reference === undefined) throw fail("invalid", `read the archive: invalid tag ${JSON.stringify(item)}`);
  return canonical(withDefaultTag(reference));
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw fail("invalid", "read the archive: manifest.json is malformed");
}

function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value) && value.length <= MAX_IMAGES) return value;
  throw fail("invalid", `read the archive: ${what} is malformed`);
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw fail("invalid", `read the archive: ${what} is malformed`);
}
