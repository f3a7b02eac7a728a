/**
 * The policy: a JSON document into rules, and a repository into the rule that decides. Pure: files it names are read by
 * who opens it.
 *
 *     {
 *       "default": "deny",
 *       "rules": [
 *         { "name": "official", "images": ["docker.io/library/*"], "action": "allow" },
 *         { "name": "team", "images": ["registry.example/team/**"], "action": "verify", "signedBy": [{ "key": "team.pub" }] }
 *       ]
 *     }
 *
 * What is not understood is refused as a whole: a rule that was meant otherwise must not let anything through.
 */
import { fail } from "#base/errors.ts";
import { readJson } from "#spec/image.ts";

export type Policy = {
  /** For repositories that no rule names. */
  readonly fallback: "allow" | "deny";
  readonly rules: readonly Rule[];
};

export type Rule = {
  readonly name: string;
  /** Repositories in full ("docker.io/library/busybox"); `*` is part of one component, `**` one component or more. */
  readonly images: readonly string[];
} & ({ readonly action: "allow" | "deny" } | { readonly action: "verify"; readonly signedBy: readonly Signer[] });

/** One of them suffices. Paths count from the policy's folder. */
export type Signer =
  | { readonly kind: "key"; readonly path: string }
  | { readonly kind: "keyless"; readonly root: string; readonly issuer: string; readonly identity: string };

export type Decision = { readonly name: string; readonly action: "allow" | "deny" } | (Rule & { readonly action: "verify" });

const MAX_POLICY = 2 ** 20;
const DEFAULT_RULE = "default";

/** The first rule that names the repository, else the default. */
export function decide(policy: Policy, repository: string): Decision {
  const rule = policy.rules.find(({ images }) => images.some((pattern) => fits(pattern, repository)));
  return rule ?? { name: DEFAULT_RULE, action: policy.fallback };
}

/** Component by component; a `**` tries every length. Patterns are short, and have few of them. */
function fits(pattern: string, repository: string): boolean {
  return fitsFrom(pattern.split("/"), repository.split("/"));
}

function fitsFrom(pattern: readonly string[], parts: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return parts.length === 0;
  if (first === "**") return parts.some((_, at) => fitsFrom(rest, parts.slice(at + 1)));
  return parts.length > 0 && componentFits(first, parts[0]!) && fitsFrom(rest, parts.slice(1));
}

/** The text between stars in order, the first at the beginning and the last at the end: no expression to run wild. */
function componentFits(pattern: string, part: string): boolean {
  const pieces = pattern.split("*");
  const last = pieces.length - 1;
  if (last === 0) return pattern === part;
  if (!part.startsWith(pieces[0]!) || !part.endsWith(pieces[last]!) || part.length < pieces[0]!.length + pieces[last]!.length) return false;
  let at = pieces[0]!.length;
  for (const piece of pieces.slice(1, last)) {
    at = part.indexOf(piece, at);
    if (at < 0) return false;
    at += piece.length;
  }
  return at <= part.length - pieces[last]!.length;
}

/** @throws invalid */
export function parsePolicy(bytes: Uint8Array): Policy {
  const json = object(readJson(bytes, "the trust policy", MAX_POLICY), "the policy", ["default", "rules"]);
  const rules = list(json["rules"] ?? [], "rules").map(parseRule);
  const twice = rules.find(({ name }, at) => rules.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw wrong(`two rules are named ${JSON.stringify(twice.name)}`);
  return { fallback: oneOf(json["default"], ["allow", "deny"], '"default"'), rules };
}

function parseRule(value: unknown, at: number): Rule {
  const what = `rule ${at + 1}`;
  const json = object(value, what, ["name", "images", "action", "signedBy"]);
  const name = json["name"] === undefined ? what : text(json["name"], `the name of ${what}`);
  if (name === DEFAULT_RULE) throw wrong(`${what} is named "default", as what holds where no rule does`);
  const images = list(json["images"], `"images" of ${what}`).map((item) => parsePattern(item, what));
  if (images.length === 0) throw wrong(`${what} names no images`);
  const action = oneOf(json["action"], ["allow", "deny", "verify"], `"action" of ${what}`);
  if (action === "verify") return { name, images, action, signedBy: parseSigners(json["signedBy"], what) };
  if (json["signedBy"] !== undefined) throw wrong(`${what} has "signedBy", which goes with the action "verify"`);
  return { name, images, action };
}

function parsePattern(value: unknown, what: string): string {
  const pattern = text(value, `a pattern of ${what}`);
  const [domain = "", ...path] = pattern.split("/");
  if (pattern === "**") return pattern;
  if (path.length === 0 || !/[.:*]|^localhost$/.test(domain)) {
    throw wrong(`the pattern ${JSON.stringify(pattern)} of ${what} does not begin with a registry; write "docker.io/library/busybox" for busybox`);
  }
  if (!path.every((part) => /^[a-z0-9._*-]+$/.test(part)) || !/^[A-Za-z0-9.*:[\]-]+$/.test(domain)) {
    throw wrong(`the pattern ${JSON.stringify(pattern)} of ${what} is no repository's: it has no tag and no digest, and "*" or "**" for what may be anything`);
  }
  return pattern;
}

function parseSigners(value: unknown, what: string): Signer[] {
  const signers = list(value, `"signedBy" of ${what}`).map((item): Signer => {
    const json = object(item, `a signer of ${what}`, ["key", "keyless"]);
    if ((json["key"] === undefined) === (json["keyless"] === undefined)) throw wrong(`a signer of ${what} is either a "key" or "keyless"`);
    if (json["key"] !== undefined) return { kind: "key", path: text(json["key"], `a key of ${what}`) };
    const keyless = object(json["keyless"], `"keyless" of ${what}`, ["root", "issuer", "identity"]);
    const field = (key: string) => text(keyless[key], `"${key}" of "keyless" of ${what}`);
    return { kind: "keyless", root: field("root"), issuer: field("issuer"), identity: field("identity") };
  });
  if (signers.length === 0) throw wrong(`${what} asks for signatures and names no signer`);
  return signers;
}

function object(value: unknown, what: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`${what} is no object`);
  const odd = Object.keys(value).find((key) => !known.includes(key));
  if (odd !== undefined) throw wrong(`${what} has ${JSON.stringify(odd)}, which means nothing; it may have ${known.join(", ")}`);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw wrong(`${what} is no list`);
}

function text(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw wrong(`${what} is no text`);
}

function oneOf<T extends string>(value: unknown, values: readonly T[], what: string): T {
  const found = values.find((each) => each === value);
  if (found === undefined) throw wrong(`${what} is none of ${values.map((each) => `"${each}"`).join(", ")}`);
  return found;
}

const wrong = (what: string) => fail("invalid", `read the trust policy: ${what}`);
