/**
 * Who may do what where, as the operator wrote it. A rule only gives; what no rule gives is not allowed.
 *
 *     { "groups": { "build": ["ci", "ann"] },
 *       "rules": [
 *         { "repositories": ["public/**"], "who": ["anyone"], "may": ["read"] },
 *         { "repositories": ["team/*"], "who": ["group:build"], "may": ["read", "write"] },
 *         { "repositories": ["home/{user}/**"], "who": ["users"], "may": ["read", "write", "delete"] },
 *         { "who": ["user:root"], "may": ["read", "write", "delete", "list"] } ] }
 *
 * "*" is within a component of a name, "**" is anything, {user} is who asks. Without "repositories": all. Whoever may
 * write may read: a push looks first at what is there. "list" is the catalog, of which everybody sees what they may read.
 */
import { fail } from "#base/errors.ts";
import { parseJson, type Json, type JsonObject } from "#base/json.ts";
import { compilePattern } from "../store/patterns.ts";
import type { Action } from "./access.ts";

export type Policy = {
  /** `user`: "" for whoever gave no name. */
  allows(user: string, repository: string, action: Action): boolean;
  lists(user: string): boolean;
  /** Whether somebody without a name may do anything at all. */
  readonly anonymous: boolean;
};

type Right = Action | "list";
type Rule = { readonly repositories: readonly Pattern[]; readonly who: readonly string[]; readonly may: ReadonlySet<Right> };
type Pattern = (user: string, repository: string) => boolean;

const RIGHTS: ReadonlySet<string> = new Set<Right>(["read", "write", "delete", "list"]);

/** Every account may do everything; others may read, if `anonymousRead`. */
export function defaultPolicy(anonymousRead: boolean): Policy {
  const all = { who: ["users"], may: ["read", "write", "delete", "list"] };
  return compilePolicy({ rules: anonymousRead ? [all, { who: ["anyone"], may: ["read"] }] : [all] }, "the default policy");
}

/** @throws invalid, naming the rule */
export const parsePolicy = (text: string, what: string): Policy => compilePolicy(parseJson(text), what);

function compilePolicy(document: Json, what: string): Policy {
  const refuse = (why: string) => fail("invalid", `read ${what}: ${why}`);
  const { groups: groupsField = {}, rules: rulesField, ...unknown } = objectOf(document, () => refuse("an object is expected"));
  refuseUnknown(unknown, refuse);
  const groups = new Map(Object.entries(objectOf(groupsField, () => refuse("groups: an object is expected"))).map(([name, members]) => [name, new Set(wordsOf(members, () => refuse(`groups.${name}: a list of names is expected`)))]));
  if (!Array.isArray(rulesField)) throw refuse("rules: a list is expected");
  const rules = rulesField.map((rule, index) => compileRule(rule, groups, (why) => refuse(`rule ${index + 1}: ${why}`)));
  const isOf = (rule: Rule, user: string) => rule.who.some((who) => whoIs(who, user, groups));
  return {
    allows(user, repository, action) {
      const wanted = (rule: Rule) => rule.may.has(action) || (action === "read" && rule.may.has("write"));
      return rules.some((rule) => wanted(rule) && isOf(rule, user) && rule.repositories.some((matches) => matches(user, repository)));
    },
    lists: (user) => rules.some((rule) => rule.may.has("list") && isOf(rule, user)),
    anonymous: rules.some((rule) => rule.who.includes("anyone")),
  };
}

type Refuse = (why: string) => Error;

function compileRule(value: Json, groups: ReadonlyMap<string, unknown>, refuse: Refuse): Rule {
  const { repositories = ["**"], who, may, ...unknown } = objectOf(value, () => refuse("an object is expected"));
  refuseUnknown(unknown, refuse);
  const rights = wordsOf(may, () => refuse("may: a list is expected"));
  for (const right of rights) if (!RIGHTS.has(right)) throw refuse(`may: ${JSON.stringify(right)} is none of read, write, delete, list`);
  const people = wordsOf(who, () => refuse("who: a list is expected"));
  for (const one of people) {
    if (!/^(anyone|users|user:.+|group:.+)$/.test(one)) throw refuse(`who: ${JSON.stringify(one)} is none of anyone, users, user:NAME, group:NAME`);
    if (one.startsWith("group:") && !groups.has(one.slice("group:".length))) throw refuse(`who: there is no ${JSON.stringify(one)}`);
  }
  return { repositories: wordsOf(repositories, () => refuse("repositories: a list is expected")).map(compileFor), who: people, may: new Set(rights as Right[]) };
}

function refuseUnknown(fields: JsonObject, refuse: Refuse): void {
  const [name] = Object.keys(fields);
  if (name !== undefined) throw refuse(`unknown field ${JSON.stringify(name)}`);
}

function whoIs(who: string, user: string, groups: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  if (who === "anyone") return true;
  if (user === "") return false;
  if (who === "users") return true;
  const [kind, name] = [who.slice(0, who.indexOf(":")), who.slice(who.indexOf(":") + 1)];
  return kind === "user" ? name === user : groups.get(name)?.has(user) === true;
}

/** {user} stands for a component: a name that is more than one is nobody's there. */
function compileFor(pattern: string): Pattern {
  const matches = compilePattern(pattern);
  if (!pattern.includes("{user}")) return (_user, repository) => matches(repository);
  return (user, repository) => /^[\w.@-]+$/.test(user) && compilePattern(pattern.replaceAll("{user}", () => user))(repository);
}

function objectOf(value: Json | undefined, refuse: () => Error): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse();
  return value;
}

function wordsOf(value: Json | undefined, refuse: () => Error): readonly string[] {
  if (!Array.isArray(value) || !value.every((word) => typeof word === "string")) throw refuse();
  return value as string[];
}
