/**
 * What a manifest must be to be taken (IMG-02, RS-05), and what it refers to. Pure.
 *
 * The same bytes must not mean a manifest to one reader and an index to another: the document's own mediaType, if any, is
 * the one it was sent as, and it has the lists of one kind only.
 */
import { fail } from "#base/errors.ts";
import type { Json, JsonObject } from "#base/json.ts";
import { isDigest, type Digest } from "./digest.ts";
import { isIndexType, isManifestType, MAX_DOCUMENT, MEDIA, readJson } from "#spec/image.ts";

export type ParsedManifest = {
  readonly mediaType: string;
  /** Config and layers that must be in the repository. */
  readonly blobs: readonly Digest[];
  /** Of an index. */
  readonly manifests: readonly Digest[];
  readonly subject: Digest | undefined;
  /** As the referrers API tells it: of the document, else the config's media type; undefined for an index without. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
};

const ARTIFACTS = new Set(["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json"]);

/** Layers that are fetched from elsewhere and never pushed. */
const FOREIGN = /^application\/vnd\.(docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistributable)\./;

/** @throws invalid, with facts.code of the specification */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  if (bytes.length > MAX_DOCUMENT) throw refused(`it has ${bytes.length} bytes, more than the limit of ${MAX_DOCUMENT}`);
  const document = readDocument(bytes);
  const mediaType = typeOf(document, contentType);
  if (document["schemaVersion"] === 1) throw refused("it is of schema 1, which is not served any more: push it with a newer client");
  if (!ARTIFACTS.has(mediaType) && document["schemaVersion"] !== 2) throw refused("its schemaVersion is not 2");
  if (isIndexType(mediaType)) return parseIndex(document, mediaType);
  if (isManifestType(mediaType)) return parseImage(document, mediaType);
  if (ARTIFACTS.has(mediaType)) return parseArtifact(document, mediaType);
  throw refused(`its media type ${mediaType} is of no manifest that is known here`);
}

function readDocument(bytes: Uint8Array): JsonObject {
  let document: Json;
  try {
    document = readJson(bytes, "a manifest") as Json;
  } catch (error) {
    throw refused((error as Error).message, error);
  }
  return objectOf(document, "it");
}

function typeOf(document: JsonObject, contentType: string | undefined): string {
  const own = document["mediaType"];
  if (own !== undefined && typeof own !== "string") throw refused("its mediaType is no text");
  const said = contentType?.split(";")[0]?.trim();
  if (said !== undefined && said !== "") {
    if (own !== undefined && own !== "" && own !== said) throw refused(`it says that it is ${own}, and was sent as ${said}`);
    return said;
  }
  if (own !== undefined && own !== "") return own;
  return document["manifests"] === undefined ? MEDIA.ociManifest : MEDIA.ociIndex;
}

function parseImage(document: JsonObject, mediaType: string): ParsedManifest {
  refuseKeys(document, ["manifests", "fsLayers", "blobs"]);
  const config = descriptorOf(document["config"], "config");
  const layers = listOf(document["layers"], "layers").map((item) => descriptorOf(item, "a layer"));
  const own = textOf(document["artifactType"], "artifactType");
  return {
    mediaType,
    blobs: [config, ...layers.filter(({ mediaType: type }) => !FOREIGN.test(type))].map(({ digest }) => digest),
    manifests: [],
    artifactType: own ?? config.mediaType,
    ...described(document),
  };
}

function parseIndex(document: JsonObject, mediaType: string): ParsedManifest {
  refuseKeys(document, ["layers", "config", "fsLayers", "blobs"]);
  const manifests = listOf(document["manifests"], "manifests").map((item) => descriptorOf(item, "a manifest").digest);
  return { mediaType, blobs: [], manifests, artifactType: textOf(document["artifactType"], "artifactType"), ...described(document) };
}

function parseArtifact(document: JsonObject, mediaType: string): ParsedManifest {
  refuseKeys(document, ["layers", "config", "manifests", "fsLayers"]);
  const blobs = listOf(document["blobs"] ?? [], "blobs").map((item) => descriptorOf(item, "a blob").digest);
  return { mediaType, blobs, manifests: [], artifactType: textOf(document["artifactType"], "artifactType"), ...described(document) };
}

function described(document: JsonObject): Pick<ParsedManifest, "subject" | "annotations"> {
  const subject = document["subject"] == null ? undefined : descriptorOf(document["subject"], "subject").digest;
  const annotations = document["annotations"] == null ? undefined : objectOf(document["annotations"], "annotations");
  if (annotations !== undefined && Object.values(annotations).some((value) => typeof value !== "string")) throw refused("an annotation is no text");
  return { subject, annotations: annotations as Record<string, string> | undefined };
}

function refuseKeys(document: JsonObject, keys: readonly string[]): void {
  const odd = keys.find((key) => document[key] !== undefined);
  if (odd !== undefined) throw refused(`it has "${odd}", so it may be read as something else too`);
}

function descriptorOf(value: Json | undefined, what: string): { digest: Digest; mediaType: string } {
  const { digest, size, mediaType } = objectOf(value, what);
  if (!isDigest(digest)) throw refused(`the digest of ${what} is no sha256 or sha512 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw refused(`the size of ${what} is no size`);
  if (typeof mediaType !== "string") throw refused(`${what} has no media type`);
  return { digest, mediaType };
}

function objectOf(value: Json | undefined, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw refused(`${what} is no object`);
}

function listOf(value: Json | undefined, what: string): Json[] {
  if (Array.isArray(value)) return value;
  throw refused(`${what} is no list`);
}

function textOf(value: Json | undefined, what: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw refused(`${what} is no text`);
}

const refused = (why: string, cause?: unknown) => fail("invalid", `take a manifest: ${why}`, { facts: { code: "MANIFEST_INVALID" }, ...(cause !== undefined && { cause }) });
