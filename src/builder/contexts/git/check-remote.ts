/**
 * What may be handed to git as a repository and as a ref (BLD-07): nothing that it could take for an option, a helper
 * ("ext::sh -c …"), or a place on this machine. The same is asked of what a server answers.
 */
import { fail } from "#base/errors.ts";

export type GitRemote = {
  /** Without credentials. */
  readonly url: string;
  /** "user:password" of the URL, decoded; undefined: none. */
  readonly userinfo: string | undefined;
  readonly scheme: "http" | "https" | "git" | "ssh";
  /** With its port, as credentials are looked up by it. */
  readonly host: string;
};

const MAX_URL = 8192;
const SCHEMES: ReadonlySet<string> = new Set(["http", "https", "git", "ssh"]);
const SCP = /^(?:(?<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*)@)?(?<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?!:)(?<path>[^-:].*)$/;

/** @throws invalid */
export function checkRemote(text: string): GitRemote {
  const refuse = (why: string) => fail("invalid", `git repository ${JSON.stringify(withoutUserinfo(text).slice(0, 300))}: ${why}`);
  if (text.length > MAX_URL || /[\0-\x20\x7f]/.test(text)) throw refuse("it holds blanks or control characters, or is too long");
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return scpRemote(text, refuse);
  if (!SCHEMES.has(scheme)) throw refuse(`transport ${JSON.stringify(scheme)} is not allowed`);
  // Parsers differ on where the host ends: one would be asked for its credentials, another one be given them.
  const authority = text.slice(text.indexOf("://") + 3).split("/", 1)[0]!;
  if (/[?#\\]/.test(authority) || (scheme === "ssh" && /@.*@/.test(withoutPassword(`ssh://${authority}`)))) throw refuse("its host is ambiguous");
  const parsed = URL.parse(text);
  if (parsed === null || parsed.hostname === "") throw refuse("it is no URL");
  if (parsed.hostname.startsWith("-") || parsed.username.startsWith("-") || parsed.pathname.startsWith("/-")) throw refuse("a part of it begins with a dash");
  const secret = scheme === "http" || scheme === "https";
  const userinfo = secret && parsed.username + parsed.password !== "" ? `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}` : undefined;
  return { url: secret ? withoutUserinfo(text) : withoutPassword(text), userinfo, scheme: scheme as GitRemote["scheme"], host: parsed.host };
}

function scpRemote(text: string, refuse: (why: string) => Error): GitRemote {
  const { host } = SCP.exec(text)?.groups ?? {};
  if (host === undefined) throw refuse("it is neither a URL nor user@host:path");
  return { url: text, userinfo: undefined, scheme: "ssh", host };
}

const withoutUserinfo = (url: string): string => url.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/]*@/, "$1");
const withoutPassword = (url: string): string => url.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/[^/@:]*):[^/]*@/, "$1@");

const MAX_REF = 1024;

/** A branch, tag, full name or commit: git's own rules for names, and no dash in front. @throws invalid */
export function checkRef(ref: string): string {
  const parts = ref.split("/");
  const wrong =
    ref === "" || ref.length > MAX_REF || !ref.isWellFormed() || /[\0-\x20\x7f~^:?*[\\]/.test(ref) || /\.\.|@\{/.test(ref) || ref === "@" || ref.endsWith(".") ||
    parts.some((part) => part === "" || part.startsWith("-") || part.startsWith(".") || part.endsWith(".lock"));
  if (wrong) throw fail("invalid", `invalid git ref ${JSON.stringify(ref.slice(0, 300))}`);
  return ref;
}

/** SHA-1 or SHA-256, whole. */
export const isCommit = (ref: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref);
