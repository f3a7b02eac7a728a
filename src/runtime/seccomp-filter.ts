/**
 * The specification's filter of system calls → instructions of classic BPF, as the kernel's seccomp takes them. Without
 * libseccomp: a binary search over ranges of system call numbers, so that any call is decided in about nine steps.
 *
 * Meaning, as libseccomp's: rules whose action is the default one say nothing; for one call an unconditional rule wins
 * over conditional ones, else the first whose arguments match. Two conditions on the same argument within one rule are
 * alternatives, not both required. Calls newer than the newest that the filter names answer ENOSYS where the default is
 * an error, as runc does, so that programs fall back to older calls.
 */
import { fail } from "#base/errors.ts";
import { ERRNO } from "#linux/constants.ts";
import type { Arch } from "#spec/kernel.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "#spec/oci-runtime.ts";
import { type Instruction, assembleFilter, conditions, KILL_THREAD, LOAD, JUMP_EQUAL, RETURN, search, type Range } from "./bpf.ts";
import { ABIS, type Abi, type AbiName, NATIVE_ABI } from "./syscalls.ts";

/** An array of struct sock_filter. Compiled once for each filter value. */
export function seccompFilter(seccomp: Seccomp, arch: Arch): Buffer {
  const known = cache.get(seccomp)?.get(arch);
  if (known !== undefined) return known;
  const bytes = assembleFilter(filterInstructions(seccomp, arch));
  cache.set(seccomp, new Map([...(cache.get(seccomp) ?? []), [arch, bytes]]));
  return bytes;
}

const cache = new WeakMap<Seccomp, Map<Arch, Buffer>>();

/** Fields of struct seccomp_data. */
const NUMBER = 0;
const ARCH = 4;

function filterInstructions(seccomp: Seccomp, arch: Arch): Instruction[] {
  const abis = (seccomp.architectures ?? []).length === 0 ? [NATIVE_ABI[arch]] : seccomp.architectures!.flatMap((name) => abiOf(name, arch));
  const byAudit = Map.groupBy([...new Set(abis)].map((name) => ABIS[name]), (abi) => abi.audit);
  // A call of another architecture than those named is not let through.
  let rest: Instruction[] = [[RETURN, 0, 0, KILL_THREAD]];
  for (const [audit, group] of [...byAudit].reverse()) {
    const body: Instruction[] = [[LOAD, 0, 0, NUMBER], ...search(group.toSorted((a, b) => a.bit - b.bit).flatMap((abi, index, all) => ranges(seccomp, abi, all[index + 1] === undefined)))];
    rest = [[JUMP_EQUAL, 1, 0, audit], [0x05, 0, 0, body.length], ...body, ...rest];
  }
  return [[LOAD, 0, 0, ARCH], ...rest];
}

/** "SCMP_ARCH_X86" → "x86", if it is of this machine's family. */
function abiOf(name: string, arch: Arch): AbiName[] {
  const found = (Object.keys(ABIS) as AbiName[]).find((one) => ABIS[one].name === name);
  if (found === undefined && !/^SCMP_ARCH_[A-Z0-9]+$/.test(name)) throw fail("invalid", `filter system calls: no architecture is named ${JSON.stringify(name)}`);
  return found !== undefined && ABIS[found].machine === arch ? [found] : [];
}

/** What is decided for the numbers of one architecture, gaps filled with the default. */
function ranges(seccomp: Seccomp, abi: Abi, last: boolean): Range[] {
  const fallback = actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const rules = rulesByNumber(seccomp, abi, fallback);
  const numbers = [...rules.keys()].sort((a, b) => a - b);
  const named = (seccomp.syscalls ?? []).flatMap((rule) => rule.names).flatMap((name) => abi.numbers[name] ?? []);
  const newest = Math.max(-1, ...named.filter((number) => number < PRIVATE));
  const unknown = seccomp.defaultAction === "SCMP_ACT_ERRNO" && newest >= 0 ? actionValue("SCMP_ACT_ERRNO", ERRNO["ENOSYS"]) : fallback;
  const gap = (from: number): Range => ({ from: from + abi.bit, code: [[RETURN, 0, 0, from > newest && from < PRIVATE ? unknown : fallback]] });
  // In this order: of ranges from the same number the last counts.
  const out: Range[] = [gap(0), gap(newest + 1), gap(PRIVATE)];
  for (const number of numbers) out.push({ from: number + abi.bit, code: verdict(rules.get(number)!, fallback, abi) }, gap(number + 1));
  // Numbers with the x32 bit are killed as of another architecture where x32 is not named.
  if (last && abi.bit === 0 && abi.machine === "x86_64" && abi.audit === ABIS.x86_64.audit) out.push({ from: X32_BIT, code: [[RETURN, 0, 0, KILL_THREAD]] });
  return out.toSorted((a, b) => a.from - b.from);
}

/** From here on are calls private to 32-bit ARM. */
const PRIVATE = 0xf0000;
const X32_BIT = 0x40000000;

function rulesByNumber(seccomp: Seccomp, abi: Abi, fallback: number): Map<number, SeccompRule[]> {
  const rules = new Map<number, SeccompRule[]>();
  for (const rule of seccomp.syscalls ?? []) {
    if (actionValue(rule.action, rule.errnoRet) === fallback) continue;
    for (const name of rule.names) {
      const number = Object.hasOwn(abi.numbers, name) ? abi.numbers[name] : undefined;
      if (number !== undefined) rules.set(number, [...(rules.get(number) ?? []), rule]);
    }
  }
  return rules;
}

function verdict(rules: readonly SeccompRule[], fallback: number, abi: Abi): Instruction[] {
  const plain = rules.find((rule) => (rule.args ?? []).length === 0);
  if (plain !== undefined) return [[RETURN, 0, 0, actionValue(plain.action, plain.errnoRet)]];
  const alternatives = rules.flatMap((rule) => alternativesOf(rule.args ?? []).map((args) => ({ args, value: actionValue(rule.action, rule.errnoRet) })));
  return [...alternatives.flatMap(({ args, value }) => conditions(args, abi.wide, [[RETURN, 0, 0, value]])), [RETURN, 0, 0, fallback]];
}

function alternativesOf(args: readonly SeccompArg[]): (readonly SeccompArg[])[] {
  return new Set(args.map((arg) => arg.index)).size === args.length ? [args] : args.map((arg) => [arg]);
}

/** SECCOMP_RET_* with its data. */
export function actionValue(action: SeccompAction, errno: number | undefined): number {
  switch (action) {
    case "SCMP_ACT_ALLOW":
      return 0x7fff0000;
    case "SCMP_ACT_LOG":
      return 0x7ffc0000;
    case "SCMP_ACT_TRACE":
      return 0x7ff00000 | ((errno ?? 1) & 0xffff);
    case "SCMP_ACT_ERRNO":
      return 0x00050000 | ((errno ?? 1) & 0xffff);
    case "SCMP_ACT_TRAP":
      return 0x00030000;
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return KILL_THREAD;
    case "SCMP_ACT_KILL_PROCESS":
      return 0x80000000;
    case "SCMP_ACT_NOTIFY":
      throw fail("not-implemented", "filter system calls: the action SCMP_ACT_NOTIFY");
    default:
      throw fail("invalid", `filter system calls: no action is named ${JSON.stringify(action)}`);
  }
}
