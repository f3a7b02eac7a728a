/** --security-opt → what it says. Pure. */
import { fail } from "#base/errors.ts";
import { DEFAULT_PROFILE } from "#spec/seccomp-default.ts";
import { parseProfile, type Profile } from "#spec/seccomp-profile.ts";

export type SecurityOptions = {
  readonly noNewPrivileges: boolean;
  /** Undefined: unconfined. */
  readonly seccomp: Profile | undefined;
  readonly writableCgroups: boolean;
};

/**
 * @param defaults what holds when an option says nothing; privileged containers are unconfined unless they say otherwise
 * @throws invalid, not-implemented
 */
export function parseSecurityOptions(
  options: readonly string[],
  defaults: { readonly privileged: boolean; readonly noNewPrivileges?: boolean; readonly profile?: Profile | "unconfined" },
): SecurityOptions {
  let noNewPrivileges = defaults.noNewPrivileges ?? false;
  let writableCgroups = false;
  const fallback = defaults.profile === "unconfined" ? undefined : (defaults.profile ?? DEFAULT_PROFILE);
  let seccomp = defaults.privileged ? undefined : fallback;
  for (const option of options) {
    const [key, value] = split(option);
    if (key === "no-new-privileges") noNewPrivileges = value === undefined ? true : truth(value, option);
    else if (value === undefined) throw fail("invalid", `invalid --security-opt 1: ${JSON.stringify(option)}`);
    else if (key === "seccomp") seccomp = value === "unconfined" ? undefined : value === "builtin" ? DEFAULT_PROFILE : profileOf(value);
    else if (key === "writable-cgroups") writableCgroups = truth(value, option);
    else if (key === "label" || key === "apparmor") refuseUnless(key, value);
    else throw fail("invalid", `invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return { noNewPrivileges, seccomp, writableCgroups };
}

/** "key=value", and the older "key:value". */
function split(option: string): [string, string | undefined] {
  const at = option.includes("=") ? option.indexOf("=") : option.indexOf(":");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}

/** As Go reads a boolean. */
function truth(value: string, option: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  throw fail("invalid", `invalid --security-opt 2: ${JSON.stringify(option)}`);
}

/** Neither module is applied, so only what asks for nothing can be granted. */
function refuseUnless(key: "label" | "apparmor", value: string): void {
  const nothing = key === "label" ? "disable" : "unconfined";
  if (value !== nothing) throw fail("not-implemented", `security option ${key}=${value}: only ${key}=${nothing} is supported`);
}

/** One value for the same text, so that its compiled filter is kept. */
function profileOf(text: string): Profile {
  const known = profiles.get(text);
  if (known !== undefined) return known;
  if (profiles.size >= KEPT) profiles.clear();
  const profile = parseProfile(text);
  profiles.set(text, profile);
  return profile;
}

const KEPT = 32;
const profiles = new Map<string, Profile>();
