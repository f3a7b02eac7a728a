/** An export's attributes, read. Pure. */
import { fail } from "#base/errors.ts";
import { formatPlatform, parsePlatform, type Platform } from "#spec/platform.ts";
import type { ExportWish } from "../builder.ts";

export type Compression = "uncompressed" | "gzip" | "zstd";

export type ImageOptions = {
  readonly names: readonly string[];
  readonly push: boolean;
  readonly byDigest: boolean;
  readonly store: boolean;
  /** Undefined: layers stay as they are. */
  readonly compression: Compression | undefined;
  readonly level: number | undefined;
  /** Also layers of the base. */
  readonly force: boolean;
  readonly oci: boolean;
  /** Unix seconds: no time in the image is later. */
  readonly epoch: number | undefined;
  /** Also the files' own times. */
  readonly rewrite: boolean;
  readonly annotations: readonly Annotation[];
};

export type Annotation = {
  readonly at: "manifest" | "index" | "manifest-descriptor" | "index-descriptor";
  /** Of one platform only: "linux/amd64". */
  readonly platform: string | undefined;
  readonly key: string;
  readonly value: string;
};

type Attributes = ExportWish["attributes"];

/** `planned`: SOURCE_DATE_EPOCH as an argument of the build. @throws invalid */
export function imageOptions({ type, attributes }: ExportWish, planned: number | undefined): ImageOptions {
  const push = isOn(attributes, "push");
  const epoch = epochOf(attributes, planned);
  const asked = compressionOf(attributes["compression"]);
  return {
    names: (attributes["name"] ?? "").split(",").map((name) => name.trim()).filter((name) => name !== ""),
    push,
    byDigest: isOn(attributes, "push-by-digest"),
    store: type === "image" && isOn(attributes, "store", true),
    // Where other engines read them, layers are compressed unless it was said otherwise.
    compression: asked ?? (push || type !== "image" ? "gzip" : undefined),
    level: levelOf(attributes["compression-level"]),
    force: isOn(attributes, "force-compression"),
    // Docker's own types know no zstd.
    oci: asked === "zstd" || isOn(attributes, "oci-mediatypes", type !== "docker"),
    epoch,
    rewrite: epoch !== undefined && isOn(attributes, "rewrite-timestamp", true),
    annotations: annotationAttributes(attributes),
  };
}

export function isOn(attributes: Attributes, name: string, standard = false): boolean {
  const value = attributes[name];
  if (value === undefined) return standard;
  if (value === "" || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw fail("invalid", `non-bool value specified for ${name}`);
}

export function epochOf(attributes: Attributes, planned: number | undefined): number | undefined {
  const value = attributes["source-date-epoch"];
  if (value === undefined) return planned;
  if (value === "") return undefined;
  if (!/^-?\d{1,12}$/.test(value)) throw fail("invalid", `invalid SOURCE_DATE_EPOCH: ${value}`);
  return Number(value);
}

function compressionOf(text: string | undefined): Compression | undefined {
  if (text === undefined || text === "") return undefined;
  if (text === "uncompressed" || text === "gzip" || text === "zstd") return text;
  throw fail("invalid", `unsupported layer compression type: ${text}`);
}

function levelOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,2}$/.test(text)) throw fail("invalid", `non-int value ${text} specified for compression-level`);
  return Number(text);
}

const PLACES = ["manifest", "index", "manifest-descriptor", "index-descriptor"] as const;

/** "annotation.KEY", "annotation-manifest[linux/amd64].KEY" */
function annotationAttributes(attributes: Attributes): Annotation[] {
  return Object.entries(attributes).flatMap(([name, value]) => {
    const [, place, platform, key] = /^annotation(?:-([a-z-]+))?(?:\[([^\]]+)\])?\.(.+)$/s.exec(name) ?? [];
    return key === undefined ? [] : [placed(place ?? "manifest", platform, key, value)];
  });
}

function placed(place: string, platform: string | undefined, key: string, value: string): Annotation {
  const at = PLACES.find((known) => known === place);
  if (at === undefined) throw fail("invalid", `unrecognized annotation type ${place}`);
  return { at, platform: platform === undefined ? undefined : formatPlatform(parsePlatform(platform)), key, value };
}

/** Those of one place, sorted; undefined without any. */
export function annotationsAt(annotations: readonly Annotation[], at: Annotation["at"], platform?: Platform): Readonly<Record<string, string>> | undefined {
  const fitting = annotations.filter((one) => one.at === at && (one.platform === undefined || (platform !== undefined && one.platform === formatPlatform(platform))));
  if (fitting.length === 0) return undefined;
  return Object.fromEntries(fitting.map(({ key, value }) => [key, value] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
