/**
 * Paths of the distribution API, read from their ends in one pass without regular expressions: the specification's grammar
 * of names has nested repetitions (RS-07). What is not in the grammar never becomes a key or a file's name.
 *
 *     parsePath("/v2/team/app/manifests/1.0")   // { kind: "manifest", name: "team/app", reference: { tag: "1.0" } }
 */
import { isDigest, type Digest } from "../store/digest.ts";
import type { ManifestRef } from "../store/store.ts";

export type Route =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "manifest"; readonly name: string; readonly reference: ManifestRef }
  | { readonly kind: "blob"; readonly name: string; readonly digest: Digest }
  | { readonly kind: "uploads"; readonly name: string }
  | { readonly kind: "upload"; readonly name: string; readonly id: string }
  | { readonly kind: "tags"; readonly name: string }
  | { readonly kind: "referrers"; readonly name: string; readonly digest: Digest }
  /** Of this form, and one part of it is not in the grammar. */
  | { readonly kind: "invalid"; readonly code: "NAME_INVALID" | "DIGEST_INVALID" | "TAG_INVALID" | "BLOB_UPLOAD_UNKNOWN"; readonly part: string };

const MAX_NAME = 255;
const MAX_TAG = 128;
/** The longest name, the longest reference, and what is between them. */
const MAX_PATH = 512;

/** Undefined: no path of this API. */
export function parsePath(path: string): Route | undefined {
  if (path === "/v2/" || path === "/v2") return { kind: "base" };
  if (!path.startsWith("/v2/") || path.length > MAX_PATH) return undefined;
  if (path === "/v2/_catalog") return { kind: "catalog" };
  const last = path.lastIndexOf("/");
  const before = path.lastIndexOf("/", last - 1);
  if (before < 4) return undefined;
  const tail = path.slice(last + 1);
  switch (path.slice(before + 1, last)) {
    case "manifests":
      return withName(path, before, (name) => manifestRoute(name, tail));
    case "blobs":
      if (tail === "uploads") return withName(path, before, (name) => ({ kind: "uploads", name }));
      return withName(path, before, (name) => digestRoute("blob", name, tail));
    case "tags":
      return tail === "list" ? withName(path, before, (name) => ({ kind: "tags", name })) : undefined;
    case "referrers":
      return withName(path, before, (name) => digestRoute("referrers", name, tail));
    case "uploads":
      return uploadRoute(path, before, tail);
    default:
      return undefined;
  }
}

/** …/blobs/uploads/ID, and …/blobs/uploads/. */
function uploadRoute(path: string, before: number, id: string): Route | undefined {
  const blobs = path.lastIndexOf("/", before - 1);
  if (blobs < 4 || path.slice(blobs + 1, before) !== "blobs") return undefined;
  return withName(path, blobs, (name) => {
    if (id === "") return { kind: "uploads", name };
    return isUploadId(id) ? { kind: "upload", name, id } : { kind: "invalid", code: "BLOB_UPLOAD_UNKNOWN", part: id };
  });
}

function withName(path: string, end: number, route: (name: string) => Route): Route {
  const name = path.slice(4, end);
  return isName(name) ? route(name) : { kind: "invalid", code: "NAME_INVALID", part: name };
}

function manifestRoute(name: string, text: string): Route {
  if (isDigest(text)) return { kind: "manifest", name, reference: { digest: text } };
  if (isTag(text)) return { kind: "manifest", name, reference: { tag: text } };
  return { kind: "invalid", code: text.includes(":") ? "DIGEST_INVALID" : "TAG_INVALID", part: text };
}

function digestRoute(kind: "blob" | "referrers", name: string, text: string): Route {
  return isDigest(text) ? { kind, name, digest: text } : { kind: "invalid", code: "DIGEST_INVALID", part: text };
}

/** Components of letters and digits, with one ".", one or two "_" or any number of "-" between them; "/" between components. */
export function isName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_NAME) return false;
  let at = 0;
  for (;;) {
    const begin = at;
    while (at < name.length && isLetterOrDigit(name.charCodeAt(at))) at++;
    if (at === begin) return false;
    if (at === name.length) return true;
    if (name[at] === "/") at++;
    else if (name[at] === ".") at++;
    else if (name[at] === "_") at += name[at + 1] === "_" ? 2 : 1;
    else if (name[at] === "-") while (name[at] === "-") at++;
    else return false;
  }
}

const isLetterOrDigit = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 48 && code <= 57);

export function isTag(text: string): boolean {
  if (text.length === 0 || text.length > MAX_TAG) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const word = isLetterOrDigit(code) || (code >= 65 && code <= 90) || code === 95;
    if (!word && (at === 0 || (code !== 45 && code !== 46))) return false;
  }
  return true;
}

const UPLOAD_ID = 64;

function isUploadId(text: string): boolean {
  if (text.length !== UPLOAD_ID) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}
