/**
 * What a token is for, in the words of the distribution token specification.
 *
 *     parseScope("repository:team/app:pull,push")   // { type: "repository", name: "team/app", actions: ["pull", "push"] }
 */
import type { Action, Need } from "./access.ts";

/** As in a token's "access" claim. */
export type Scope = { readonly type: string; readonly name: string; readonly actions: readonly string[] };

const ACTIONS: Readonly<Record<Action, string>> = { read: "pull", write: "push", delete: "delete" };
const LONGEST = 512;

/** Undefined for what is none. A name may have colons of its own. */
export function parseScope(text: string): Scope | undefined {
  const [first, last] = [text.indexOf(":"), text.lastIndexOf(":")];
  if (first < 1 || last === first || text.length > LONGEST) return undefined;
  // "repository(plugin)": what the repository holds, which makes no difference here.
  const type = text.slice(0, first).replace(/\([a-z]*\)$/, "");
  const name = text.slice(first + 1, last);
  if (name === "" || !/^[\w./:-]+$/.test(name)) return undefined;
  const actions = text.slice(last + 1).split(",").filter((action) => /^([a-z]+|\*)$/.test(action));
  return { type, name, actions: [...new Set(actions)] };
}

export const formatScope = ({ type, name, actions }: Scope): string => `${type}:${name}:${actions.join(",")}`;

/** What a request needs, as a challenge asks for it. None for a ping. */
export function scopeOf(need: Need): Scope | undefined {
  if (need.action === "ping") return undefined;
  if (need.action === "catalog") return { type: "registry", name: "catalog", actions: ["*"] };
  // Whoever pushes looks first at what is there.
  return { type: "repository", name: need.repository, actions: need.action === "write" ? ["pull", "push"] : [ACTIONS[need.action]] };
}

/** Whether the scopes of a token have what a request needs. */
export function covers(scopes: readonly Scope[], need: Need): boolean {
  if (need.action === "ping") return true;
  const wanted = need.action === "catalog" ? { type: "registry", name: "catalog", action: "*" } : { type: "repository", name: need.repository, action: ACTIONS[need.action] };
  return scopes.some(({ type, name, actions }) => type === wanted.type && name === wanted.name && (actions.includes(wanted.action) || actions.includes("*")));
}

/** Of what is asked for, what is allowed. A scope of which nothing is left is not there. */
export function granted(asked: readonly Scope[], allows: (repository: string, action: Action) => boolean, lists: boolean): Scope[] {
  return asked.flatMap((scope): Scope[] => {
    if (scope.type === "registry") return scope.name === "catalog" && lists ? [{ ...scope, actions: ["*"] }] : [];
    if (scope.type !== "repository") return [];
    const all = scope.actions.includes("*");
    const actions = (Object.keys(ACTIONS) as Action[]).filter((action) => (all || scope.actions.includes(ACTIONS[action])) && allows(scope.name, action));
    return actions.length === 0 ? [] : [{ ...scope, actions: actions.map((action) => ACTIONS[action]) }];
  });
}
