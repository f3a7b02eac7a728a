/**
 * What names a git repository where a context or an ADD's source stands. Pure.
 *
 *     parseGitSource("https://HOST/r.git#v1:sub")       // { url, ref: "v1", subdir: "sub" }
 *     parseGitSource("git@HOST:r.git?branch=main")      // { url: "git@HOST:r.git", ref: "refs/heads/main", … }
 *     parseGitSource("https://HOST/file.tgz")           // undefined: an http(s) URL is git's only if its path ends in .git
 */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";

export type GitSource = {
  /** Without what follows # and ?. */
  readonly url: string;
  readonly ref: string;
  readonly subdir: string;
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean | undefined;
  readonly checksum: string | undefined;
};

const SCP = /^(?:[A-Za-z0-9_.+-]+@)?[A-Za-z0-9.-]+:(?!\/\/)[^?#]+/;

/** Undefined: it is something else. @throws invalid: it is git's, and its query says what it cannot mean */
export function parseGitSource(text: string): GitSource | undefined {
  const [, url = "", query, fragment = ""] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text) ?? [];
  if (!isRepository(url)) return undefined;
  const [ref, subdir = ""] = cut(fragment, ":");
  const source = { url, ref: decode(ref), subdir: posix.join("/", decode(subdir)).replace(/^\/+|\/+$/g, ""), keepGitDir: undefined, submodules: undefined, checksum: undefined };
  return query === undefined ? source : withQuery(source, new URLSearchParams(query));
}

function isRepository(url: string): boolean {
  const scheme = /^([A-Za-z0-9]+):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme === "git" || scheme === "ssh") return true;
  if (scheme === "http" || scheme === "https") return url.endsWith(".git");
  return scheme === undefined && /^[^/]*@/.test(url) && SCP.test(url);
}

function withQuery(source: GitSource, query: URLSearchParams): GitSource {
  let result = source;
  if (query.get("tag") && query.get("branch")) throw fail("invalid", "branch conflicts with tag");
  for (const key of new Set(query.keys())) {
    const [value = "", ...more] = query.getAll(key);
    if (more.length > 0) throw fail("invalid", `query ${JSON.stringify(key)} has multiple values`);
    if (value === "" && !SWITCHES.has(key)) throw fail("invalid", `query ${JSON.stringify(key)} has no value`);
    result = { ...result, ...queryField(result, key, value) };
  }
  return result;
}

const SWITCHES: ReadonlySet<string> = new Set(["keep-git-dir", "submodules"]);

function queryField(source: GitSource, key: string, value: string): Partial<GitSource> {
  switch (key) {
    case "ref":
      return { ref: agreed("ref", source.ref, value) };
    case "tag":
      return { ref: agreed("ref", source.ref, value.startsWith("refs/tags/") ? value : `refs/tags/${value}`) };
    case "branch":
      return { ref: agreed("ref", source.ref, value.startsWith("refs/heads/") ? value : `refs/heads/${value}`) };
    case "subdir":
      return { subdir: agreed("subdir", source.subdir, posix.join("/", value).replace(/^\/+|\/+$/g, "")) };
    case "checksum":
    case "commit":
      return { checksum: value };
    case "keep-git-dir":
      return { keepGitDir: flag(key, value) };
    case "submodules":
      return { submodules: flag(key, value) };
    default:
      throw fail("invalid", `unexpected query ${JSON.stringify(key)}`);
  }
}

function agreed(what: string, before: string, now: string): string {
  if (before !== "" && before !== now) throw fail("invalid", `${what} conflicts: ${JSON.stringify(before)} vs ${JSON.stringify(now)}`);
  return now;
}

function flag(key: string, value: string): boolean {
  if (value === "" || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw fail("invalid", `invalid ${key} value: ${JSON.stringify(value)}`);
}

function cut(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
