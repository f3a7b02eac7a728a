/**
 * OCI's and Docker's image documents: descriptors, indexes, manifests, configurations. Parsed once, from bytes that were
 * hashed, into values of which only what is read is checked. What Gantry does not know is left where it is: the bytes are
 * what is stored and passed on.
 */
import { createHash } from "node:crypto";
import { fail, messageOf } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import { type Digest, isDigest } from "./digest.ts";
import { checkDefaults } from "./image-defaults.ts";
import { normalizePlatform, type Platform } from "./platform.ts";

export const MEDIA = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

const LAYERS = new Set<string>([
  MEDIA.ociLayer,
  MEDIA.ociLayerGzip,
  MEDIA.ociLayerZstd,
  MEDIA.dockerLayer,
  MEDIA.dockerLayerGzip,
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
]);

export const isIndexType = (mediaType: string): boolean => mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerIndex;
export const isManifestType = (mediaType: string): boolean => mediaType === MEDIA.ociManifest || mediaType === MEDIA.dockerManifest;
export const isLayerType = (mediaType: string): boolean => LAYERS.has(mediaType);

/** A manifest, index or configuration is never longer (as containerd and distribution have it). */
export const MAX_DOCUMENT = 4 * 2 ** 20;

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
};

export type Index = { readonly mediaType: string; readonly manifests: readonly Descriptor[] };

export type Manifest = {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
};

/** A configuration; `raw` is the whole document, `config` its `config` object as it stands. */
export type ImageConfig = {
  readonly platform: Platform;
  readonly created: string | undefined;
  readonly author: string;
  readonly diffIds: readonly Digest[];
  readonly history: readonly History[];
  readonly config: Readonly<Record<string, unknown>>;
};

export type History = {
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
};

type Json = Record<string, unknown>;

/** A document that may be an index or a manifest, told apart by its media type and content, which must agree. */
export function parseTarget(bytes: Uint8Array, mediaType: string): Index | Manifest {
  if (isIndexType(mediaType)) return parseIndex(bytes, mediaType);
  if (isManifestType(mediaType)) return parseManifest(bytes, mediaType);
  throw fail("invalid", `read an image: its media type is ${JSON.stringify(mediaType)}, neither a manifest's nor an index's`);
}

export const isIndex = (target: Index | Manifest): target is Index => "manifests" in target;

/** @throws invalid */
export function parseIndex(bytes: Uint8Array, mediaType: string = MEDIA.ociIndex): Index {
  const json = document(bytes, "index", mediaType, ["layers", "config", "fsLayers"]);
  return { mediaType, manifests: list(json["manifests"], "manifests of an index").map((item) => parseDescriptor(item, "index")) };
}

/** @throws invalid */
export function parseManifest(bytes: Uint8Array, mediaType: string = MEDIA.ociManifest): Manifest {
  const json = document(bytes, "manifest", mediaType, ["manifests", "fsLayers"]);
  return {
    mediaType,
    config: parseDescriptor(json["config"], "manifest"),
    layers: list(json["layers"], "layers of a manifest").map((item) => parseDescriptor(item, "manifest")),
  };
}

/** @throws invalid */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const json = object(readJson(bytes, "image configuration"), "image configuration");
  const rootfs = object(json["rootfs"] ?? {}, "rootfs of an image configuration");
  return {
    platform: normalizePlatform({
      os: text(json["os"], "os") || "linux",
      architecture: text(json["architecture"], "architecture"),
      variant: text(json["variant"], "variant"),
      "os.version": text(json["os.version"], "os.version"),
    }),
    created: text(json["created"], "created") || undefined,
    author: text(json["author"], "author"),
    diffIds: list(rootfs["diff_ids"] ?? [], "diff IDs").map((item) => {
      if (!isDigest(item)) throw fail("invalid", "read an image configuration: a diff ID is no sha256 digest");
      return item;
    }),
    history: list(json["history"] ?? [], "history").map(parseHistory),
    config: checkDefaults(json["config"]),
  };
}

function parseHistory(item: unknown): History {
  const json = object(item, "history");
  return {
    created: text(json["created"], "created") || undefined,
    createdBy: text(json["created_by"], "created_by"),
    author: text(json["author"], "author"),
    comment: text(json["comment"], "comment"),
    emptyLayer: json["empty_layer"] === true,
  };
}

/** @throws invalid */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  const json = object(value, `descriptor in ${what}`);
  const { mediaType, digest, size } = json;
  if (!isDigest(digest)) throw fail("invalid", `read a descriptor in ${what}: its digest is no sha256 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw fail("invalid", `read a descriptor in ${what}: the size of ${digest} is no size`);
  }
  if (typeof mediaType !== "string") throw fail("invalid", `read a descriptor in ${what}: ${digest} has no media type`);
  const annotations = json["annotations"] == null ? undefined : strings(json["annotations"], "annotations");
  const platform = json["platform"] == null ? undefined : parsePlatformObject(json["platform"]);
  return { mediaType, digest, size, ...(annotations && { annotations }), ...(platform && { platform }) };
}

function parsePlatformObject(value: unknown): Platform {
  const json = object(value, "platform");
  const variant = text(json["variant"], "variant");
  const version = text(json["os.version"], "os.version");
  return {
    os: text(json["os"], "os"),
    architecture: text(json["architecture"], "architecture"),
    ...(variant && { variant }),
    ...(version && { "os.version": version }),
  };
}

/** The name of a stack of layers: the first diff ID, then the digest of "CHAIN DIFF". */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : `sha256:${createHash("sha256").update(`${below} ${diffId}`).digest("hex")}`);
  }
  return chain;
}

/**
 * A document of one kind whose own mediaType, if it says one, is what it was said to be. The same bytes must not pass as a
 * manifest here and as an index there (CVE-2021-41190).
 */
function document(bytes: Uint8Array, what: string, mediaType: string, foreign: readonly string[]): Json {
  const json = object(readJson(bytes, what), what);
  if (json["schemaVersion"] !== 2) throw fail("invalid", `read an image's ${what}: its schema version is not 2`);
  const own = json["mediaType"];
  if (own !== undefined && own !== "" && own !== mediaType) {
    throw fail("invalid", `read an image's ${what}: it is ${JSON.stringify(own)} and was said to be ${mediaType}`);
  }
  const odd = foreign.find((key) => json[key] !== undefined);
  if (odd !== undefined) throw fail("invalid", `read an image's ${what}: it has "${odd}", so it may be read as something else too`);
  return json;
}

/** JSON of bounded length, strict UTF-8. @throws invalid, naming the document */
export function readJson(bytes: Uint8Array, what: string, limit = MAX_DOCUMENT): unknown {
  if (bytes.length > limit) throw fail("invalid", `read ${what}: ${bytes.length} bytes, more than the limit of ${limit}`);
  try {
    return parseJson(utf8.decode(bytes));
  } catch (error) {
    throw fail("invalid", `read ${what}: ${messageOf(error)}`, { cause: error });
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw fail("invalid", `read an image: ${what} is no object`);
}

function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw fail("invalid", `read an image: ${what} is no list`);
}

function text(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw fail("invalid", `read an image: ${what} is no text`);
}

function strings(value: unknown, what: string): Record<string, string> {
  const json = object(value, what);
  for (const [key, item] of Object.entries(json)) {
    if (typeof item !== "string") throw fail("invalid", `read an image: ${what} "${key}" is no text`);
  }
  return json as Record<string, string>;
}
