/**
 * References to images, exactly as Docker reads them.
 *
 *     parseReference("busybox")            // docker.io/library/busybox
 *     canonical(withDefaultTag(parseReference("busybox")))   // "docker.io/library/busybox:latest"
 *     familiar(parseReference("docker.io/library/busybox:1.36"))  // "busybox:1.36"
 *
 * Grammar: [domain "/"] path [":" tag] ["@" digest]. The first component is a domain if it has a dot, a colon or an
 * upper-case letter, or is "localhost".
 */
import { fail } from "#base/errors.ts";
import type { Digest } from "./digest.ts";

export type Reference = {
  /** "docker.io" */
  readonly domain: string;
  /** "library/busybox" */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
};

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DOMAIN = "index.docker.io";
const OFFICIAL = "library";
const MAX_NAME = 255;

const ALNUM = "[a-z0-9]+";
const SEPARATOR = "(?:[._]|__|[-]+)";
const COMPONENT = `${ALNUM}(?:${SEPARATOR}${ALNUM})*`;
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const NAME = new RegExp(`^(?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}$/;
const SHA256 = /^sha256:[a-f0-9]{64}$/;
const BARE_ID = /^[a-f0-9]{64}$/;

/** @throws invalid, with Docker's text */
export function parseReference(text: string): Reference {
  if (BARE_ID.test(text)) {
    throw fail("invalid", `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { name, tag, digest } = split(text);
  const { domain, path } = splitDomain(name);
  if (path !== path.toLowerCase()) throw fail("invalid", "invalid reference format: repository name (" + path + ") must be lowercase");
  if (!NAME.test(`${domain}/${path}`) || (tag !== undefined && !TAG.test(tag))) throw malformed();
  if (digest !== undefined) checkDigest(digest);
  if (`${domain}/${path}`.length > MAX_NAME) throw fail("invalid", `repository name must not be more than ${MAX_NAME} characters`);
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest: digest as Digest }) };
}

/** Undefined instead of a failure. */
export function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

function split(text: string): { name: string; tag?: string; digest?: string } {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(":");
  const tagged = colon > rest.lastIndexOf("/");
  if (rest === "") throw malformed();
  return {
    name: tagged ? rest.slice(0, colon) : rest,
    ...(tagged && { tag: rest.slice(colon + 1) }),
    ...(digest !== undefined && { digest }),
  };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let path = isDomain ? name.slice(slash + 1) : name;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !path.includes("/")) path = `${OFFICIAL}/${path}`;
  return { domain, path };
}

function checkDigest(digest: string): void {
  if (!DIGEST.test(digest)) throw malformed();
  const algorithm = digest.slice(0, digest.indexOf(":"));
  if (algorithm !== "sha256") throw fail("invalid", "unsupported digest algorithm");
  if (digest.length !== "sha256:".length + 64) throw fail("invalid", "invalid checksum digest length");
  if (!SHA256.test(digest)) throw fail("invalid", "invalid checksum digest format");
}

const malformed = () => fail("invalid", "invalid reference format");

/** "docker.io/library/busybox" */
export const repository = (ref: Reference): string => `${ref.domain}/${ref.path}`;

/** "docker.io/library/busybox:latest@sha256:…" */
export function canonical(ref: Reference): string {
  return repository(ref) + (ref.tag === undefined ? "" : `:${ref.tag}`) + (ref.digest === undefined ? "" : `@${ref.digest}`);
}

/** As people write it: "busybox:latest". */
export function familiar(ref: Reference): string {
  return familiarRepository(ref) + (ref.tag === undefined ? "" : `:${ref.tag}`) + (ref.digest === undefined ? "" : `@${ref.digest}`);
}

export function familiarRepository(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return repository(ref);
  // Only the plain library/x loses its first part; library/a/b would read as another name.
  const official = /^library\/([^/]+)$/.exec(ref.path);
  return official === null ? ref.path : official[1]!;
}

/** Adds ":latest" where there is neither tag nor digest. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: "latest" } : ref;
}
