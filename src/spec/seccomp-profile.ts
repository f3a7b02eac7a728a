/**
 * Docker's profiles of system calls: JSON as `--security-opt seccomp=FILE` sends it → the specification's filter, for
 * this host and these capabilities. Pure.
 *
 *     const profile = parseProfile(text);                  // or DEFAULT_PROFILE
 *     spec.linux.seccomp = resolveProfile(profile, { arch: "x86_64", kernel: [6, 18], capabilities: ["CAP_CHOWN", …] });
 */
import { fail } from "#base/errors.ts";
import { type Arch, kernelAtLeast, type KernelVersion, parseKernelRelease } from "./kernel.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "./oci-runtime.ts";

export type Profile = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[];
  readonly flags?: readonly string[];
  readonly syscalls?: readonly ProfileRule[];
};

export type ProfileRule = {
  readonly name?: string;
  readonly names?: readonly string[] | null;
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[] | null;
  readonly comment?: string;
  /** All must hold. */
  readonly includes?: Condition;
  /** None may. */
  readonly excludes?: Condition;
};

/** Architectures by Go's names ("amd64"), capabilities with the prefix, "4.8". */
export type Condition = { readonly arches?: readonly string[] | null; readonly caps?: readonly string[] | null; readonly minKernel?: string };

export type ProfileHost = { readonly arch: Arch; readonly kernel: KernelVersion; readonly capabilities: readonly string[] };

/** @throws invalid: Docker's text and what is wrong. */
export function parseProfile(text: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fail("invalid", `Decoding seccomp profile failed: ${(error as Error).message}`, { cause: error });
  }
  const wrong = profileMistake(value);
  if (wrong !== undefined) throw fail("invalid", `Decoding seccomp profile failed: ${wrong}`);
  return value as Profile;
}

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isNames = (value: unknown) => value === undefined || value === null || (Array.isArray(value) && value.every((item) => typeof item === "string"));
const isCount = (value: unknown) => value === undefined || value === null || (Number.isInteger(value) && (value as number) >= 0);

function profileMistake(value: unknown): string | undefined {
  if (!isFields(value)) return "it is not an object";
  const { defaultAction = "", syscalls, archMap, architectures, flags, defaultErrnoRet } = value;
  if (typeof defaultAction !== "string") return "defaultAction is not a text";
  if (!isCount(defaultErrnoRet)) return "defaultErrnoRet is not a number";
  if (!isNames(architectures) || !isNames(flags)) return "architectures and flags are lists of names";
  for (const list of [syscalls, archMap]) if (list !== undefined && list !== null && !(Array.isArray(list) && list.every(isFields))) return "syscalls and archMap are lists of objects";
  for (const entry of (archMap ?? []) as Fields[]) if (typeof entry["architecture"] !== "string" || !isNames(entry["subArchitectures"])) return "archMap names architectures";
  for (const rule of (syscalls ?? []) as Fields[]) {
    const wrong = ruleMistake(rule);
    if (wrong !== undefined) return wrong;
  }
  const hasArchitectures = ((architectures as unknown[]) ?? []).length > 0;
  const hasMap = ((archMap as unknown[]) ?? []).length > 0;
  if (hasArchitectures && hasMap) return "use either 'architectures' or 'archMap'";
  return undefined;
}

function ruleMistake(rule: Fields): string | undefined {
  if (rule["name"] !== undefined && typeof rule["name"] !== "string") return "a name is not a text";
  if (!isNames(rule["names"])) return "names is not a list of names";
  if (rule["name"] && ((rule["names"] as unknown[]) ?? []).length > 0) return "use either 'name' or 'names'";
  if (typeof rule["action"] !== "string") return "a rule has no action";
  if (!isCount(rule["errnoRet"])) return "errnoRet is not a number";
  const args = (rule["args"] ?? []) as unknown;
  if (!Array.isArray(args) || !args.every((arg) => isFields(arg) && isCount(arg["index"]) && isCount(arg["value"]) && isCount(arg["valueTwo"]) && typeof arg["op"] === "string")) {
    return "args of a rule are index, value, valueTwo and op";
  }
  for (const condition of [rule["includes"] ?? {}, rule["excludes"] ?? {}]) {
    if (!isFields(condition) || !isNames(condition["arches"]) || !isNames(condition["caps"])) return "includes and excludes name arches and caps";
    const minKernel = condition["minKernel"] ?? "";
    if (typeof minKernel !== "string" || (minKernel !== "" && !/^\d+\.\d+$/.test(minKernel))) return "minKernel is not a version of two numbers";
  }
  return undefined;
}

/**
 * Undefined when the profile says nothing at all: no filter. The same value for the same input, so that its compiled
 * form is kept with it.
 */
export function resolveProfile(profile: Profile, host: ProfileHost): Seccomp | undefined {
  const key = `${host.arch} ${host.kernel.join(".")} ${host.capabilities.toSorted().join()}`;
  const known = resolved.get(profile) ?? new Map<string, Seccomp | undefined>();
  if (!known.has(key)) known.set(key, resolveFor(profile, host));
  resolved.set(profile, known);
  return known.get(key);
}

const resolved = new WeakMap<Profile, Map<string, Seccomp | undefined>>();

function resolveFor(profile: Profile, host: ProfileHost): Seccomp | undefined {
  const rules = profile.syscalls ?? [];
  if (!profile.defaultAction && rules.length === 0) return undefined;
  const syscalls = rules.flatMap((rule) => (applies(rule, host) ? [ruleOf(rule)] : []));
  const architectures = architecturesOf(profile, host.arch);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    syscalls,
  };
}

const NATIVE: Readonly<Record<Arch, { readonly go: string; readonly scmp: string }>> = {
  x86_64: { go: "amd64", scmp: "SCMP_ARCH_X86_64" },
  aarch64: { go: "arm64", scmp: "SCMP_ARCH_AARCH64" },
};

function architecturesOf(profile: Profile, arch: Arch): string[] {
  if (profile.architectures?.length) return [...profile.architectures];
  const own = profile.archMap?.find((entry) => entry.architecture === NATIVE[arch].scmp);
  return own === undefined ? [] : [own.architecture, ...(own.subArchitectures ?? [])];
}

function applies(rule: ProfileRule, host: ProfileHost): boolean {
  const { includes = {}, excludes = {} } = rule;
  const has = (name: string) => host.capabilities.includes(name);
  if (includes.arches?.length && !includes.arches.includes(NATIVE[host.arch].go)) return false;
  if (includes.caps?.length && !includes.caps.every(has)) return false;
  if (includes.minKernel && !kernelAtLeast(host, ...parseKernelRelease(includes.minKernel))) return false;
  if (excludes.arches?.includes(NATIVE[host.arch].go)) return false;
  if (excludes.caps?.some(has)) return false;
  return !(excludes.minKernel && kernelAtLeast(host, ...parseKernelRelease(excludes.minKernel)));
}

function ruleOf(rule: ProfileRule): SeccompRule {
  const names = rule.name ? [rule.name] : [...(rule.names ?? [])];
  return {
    names,
    action: rule.action,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args?.length ? { args: rule.args } : {}),
  };
}
