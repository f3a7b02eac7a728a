/**
 * The device cgroup. v1 takes rules as lines; v2 takes a BPF program that is asked before each open or mknod, which we
 * compile here. Both mean: the last rule that speaks about an access decides; no rule: denied.
 */
import type { DeviceRule } from "#spec/oci-runtime.ts";

/** File and line, in the order they are to be written. */
export function legacyDeviceLines(rules: readonly DeviceRule[]): ["devices.allow" | "devices.deny", string][] {
  return rules.flatMap(byType).map((rule) => {
    const file = rule.allow ? "devices.allow" : "devices.deny";
    if (isEverything(rule)) return [file, "a"];
    const number = (value: number | undefined) => (value === undefined || value < 0 ? "*" : value);
    return [file, `${rule.type} ${number(rule.major)}:${number(rule.minor)} ${rule.access || "rwm"}`];
  });
}

/** All of all: what both versions treat in one step. */
function isEverything({ type = "a", major = -1, minor = -1, access }: DeviceRule): boolean {
  return type === "a" && major < 0 && minor < 0 && [..."rwm"].every((letter) => (access || "rwm").includes(letter));
}

/** Any other rule for both types is two rules: v1 would read its "a" as all of all. */
function byType(rule: DeviceRule): DeviceRule[] {
  if (isEverything(rule) || (rule.type !== undefined && rule.type !== "a")) return [rule];
  return [{ ...rule, type: "c" }, { ...rule, type: "b" }];
}

/** Instructions of the little machine: code, registers, jump, immediate. linux/bpf.h */
const LOAD_WORD = 0x61; // dst = *(u32 *)(src + off)
const AND = 0x54; // 32-bit
const SHIFT_RIGHT = 0x74;
const JUMP_NOT_EQUAL = 0x56; // 32-bit immediate
const JUMP_IF_ANY = 0x46; // dst & imm
const MOVE = 0xb4;
const MOVE_REGISTER = 0xbc;
const EXIT = 0x95;

/** Where the context's fields are kept: r1 is the context; struct bpf_cgroup_dev_ctx { access_type, major, minor }. */
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;
const SCRATCH = 1;

const ACCESS_BITS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;
const TYPES: Readonly<Record<string, number>> = { b: 1, c: 2 };

/**
 * The program for BPF_PROG_TYPE_CGROUP_DEVICE, as an array of struct bpf_insn. Rules are asked from the last to the
 * first: an allowing rule when it covers the whole access, a denying one when it touches it.
 */
export function bpfDeviceFilter(rules: readonly DeviceRule[]): Buffer {
  const start = [
    instruction(LOAD_WORD, TYPE, 1, 0, 0),
    instruction(AND, TYPE, 0, 0, 0xffff),
    instruction(LOAD_WORD, ACCESS, 1, 0, 0),
    instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
    instruction(LOAD_WORD, MAJOR, 1, 4, 0),
    instruction(LOAD_WORD, MINOR, 1, 8, 0),
  ];
  const body: Buffer[] = [];
  for (const rule of rules.flatMap(byType).toReversed()) {
    body.push(...ruleInstructions(rule));
    // Nothing may follow what always ends: the kernel refuses (EINVAL) a program with instructions that are never reached.
    if (isEverything(rule)) return Buffer.concat([...start, ...body]);
  }
  return Buffer.concat([...start, ...body, ...verdict(false)]);
}

function ruleInstructions(rule: DeviceRule): Buffer[] {
  if (isEverything(rule)) return verdict(rule.allow);
  const tests: ((skip: number) => Buffer[])[] = [(skip) => [instruction(JUMP_NOT_EQUAL, TYPE, 0, skip, TYPES[rule.type ?? ""] ?? 0)]];
  const access = [...(rule.access || "rwm")].reduce((bits, letter) => bits | (ACCESS_BITS[letter] ?? 0), 0);
  if (access !== ALL_ACCESS) tests.push((skip) => accessTest(rule.allow, access, skip));
  if (rule.major !== undefined && rule.major >= 0) tests.push((skip) => [instruction(JUMP_NOT_EQUAL, MAJOR, 0, skip, rule.major!)]);
  if (rule.minor !== undefined && rule.minor >= 0) tests.push((skip) => [instruction(JUMP_NOT_EQUAL, MINOR, 0, skip, rule.minor!)]);
  // Each test jumps over what follows it, so they are laid out from the last.
  let out = verdict(rule.allow);
  for (const test of tests.toReversed()) out = [...test(out.length), ...out];
  return out;
}

/** Allowing: no bit outside `access` is asked for. Denying: some bit of it is. */
function accessTest(allow: boolean, access: number, skip: number): Buffer[] {
  if (allow) return [instruction(JUMP_IF_ANY, ACCESS, 0, skip, ALL_ACCESS & ~access)];
  return [
    instruction(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0),
    instruction(AND, SCRATCH, 0, 0, access),
    instruction(0x16 /* jump if equal */, SCRATCH, 0, skip, 0),
  ];
}

const verdict = (allow: boolean) => [instruction(MOVE, 0, 0, 0, allow ? 1 : 0), instruction(EXIT, 0, 0, 0, 0)];

function instruction(code: number, destination: number, source: number, offset: number, immediate: number): Buffer {
  const out = Buffer.alloc(8);
  out[0] = code;
  out[1] = (source << 4) | destination;
  out.writeInt16LE(offset, 2);
  out.writeInt32LE(immediate | 0, 4);
  return out;
}
