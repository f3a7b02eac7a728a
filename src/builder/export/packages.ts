/** Records of package managers, read: dpkg's, apk's, npm's and Python's. Pure; what is odd in them is left out. */

export type Package = {
  readonly name: string;
  readonly version: string;
  /** https://github.com/package-url/purl-spec */
  readonly url: string;
  readonly license: string | undefined;
  /** The record it was found in. */
  readonly path: string;
};

export type Records = { readonly kind: "dpkg" | "apk" | "npm" | "python" | "release"; readonly path: string; readonly text: string };

/** What kind of record a file is, by where it lies; undefined: none. "release": it says what distribution this is. */
export function recordsKind(path: string): Records["kind"] | undefined {
  if (path === "usr/lib/os-release" || path === "etc/os-release") return "release";
  if (path === "var/lib/dpkg/status" || /^var\/lib\/dpkg\/status\.d\/[^/.]+$/.test(path)) return "dpkg";
  if (path === "lib/apk/db/installed" || path === "usr/lib/apk/db/installed") return "apk";
  if (/(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path)) return "npm";
  return /\.(dist-info\/METADATA|egg-info\/PKG-INFO)$/.test(path) ? "python" : undefined;
}

/** One at a time, and nothing now and then, of long records: others may have their turn. `release`: the text of os-release. */
export function* packagesOf({ kind, path, text }: Records, release: string): Generator<Package | undefined> {
  const distribution = /^ID="?([a-z0-9._-]+)"?$/m.exec(release)?.[1];
  switch (kind) {
    case "dpkg":
      for (const fields of paragraphs(text)) yield fields && dpkg(fields, path, distribution ?? "debian");
      return;
    case "apk":
      for (const fields of paragraphs(text)) yield fields && apk(fields, path, distribution ?? "alpine");
      return;
    case "npm":
      return void (yield npm(text, path));
    case "python":
      return void (yield python(text, path));
    case "release":
      return;
  }
}

type Fields = ReadonlyMap<string, string>;

const FIELDS = new Set(["Package", "Version", "Architecture", "Status", "P", "V", "A", "L", "Name", "License-Expression"]);

const MANY_LINES = 10_000;

/** Parted by empty lines; undefined: not there yet, after many lines. Only fields that are looked for are kept: whoever wrote the record may have written millions of others. */
function* paragraphs(text: string): Generator<Fields | undefined> {
  let fields = new Map<string, string>();
  let lines = 0;
  for (let at = 0, end; at < text.length; at = end + 1) {
    const newline = text.indexOf("\n", at);
    end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    const colon = line.indexOf(":");
    if (colon > 0 && FIELDS.has(line.slice(0, colon))) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
    if (++lines % MANY_LINES === 0) yield undefined;
    if (line !== "") continue;
    yield fields;
    fields = new Map();
  }
  yield fields;
}

function dpkg(fields: Fields, path: string, distribution: string): Package | undefined {
  const [name, version, architecture] = [fields.get("Package"), fields.get("Version"), fields.get("Architecture")];
  // What was removed and has left its configuration is listed, too.
  if (!name || !version || !(fields.get("Status") ?? "installed").endsWith("installed") || fields.get("Status")?.endsWith("not-installed")) return undefined;
  return { name, version, url: packageUrl("deb", [distribution, name], version, architecture), license: undefined, path };
}

function apk(fields: Fields, path: string, distribution: string): Package | undefined {
  const [name, version, architecture] = [fields.get("P"), fields.get("V"), fields.get("A")];
  if (!name || !version) return undefined;
  return { name, version, url: packageUrl("apk", [distribution, name], version, architecture), license: fields.get("L"), path };
}

function npm(text: string, path: string): Package | undefined {
  try {
    const { name, version, license } = JSON.parse(text) as Record<string, unknown>;
    if (typeof name !== "string" || typeof version !== "string" || name === "" || version === "") return undefined;
    return { name, version, url: packageUrl("npm", name.split("/"), version), license: typeof license === "string" ? license : undefined, path };
  } catch {
    return undefined;
  }
}

function python(text: string, path: string): Package | undefined {
  const fields = paragraphs(text).find((found) => found !== undefined);
  const [name, version] = [fields?.get("Name"), fields?.get("Version")];
  if (!name || !version) return undefined;
  return { name, version, url: packageUrl("pypi", [name.toLowerCase().replaceAll("_", "-")], version), license: fields?.get("License-Expression"), path };
}

function packageUrl(type: string, names: readonly string[], version: string, architecture?: string): string {
  const part = (text: string): string => encodeURIComponent(text).replaceAll("%3A", ":");
  return `pkg:${type}/${names.map(part).join("/")}@${part(version)}${architecture ? `?arch=${part(architecture)}` : ""}`;
}
