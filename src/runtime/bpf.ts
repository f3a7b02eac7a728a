/** Classic BPF for seccomp: instructions, comparisons of 64-bit arguments, a search by number. linux/filter.h. Pure. */
import { fail } from "#base/errors.ts";
import type { SeccompArg } from "#spec/oci-runtime.ts";

/** struct sock_filter: code, jump if true, jump if false (both counted from the next instruction), operand. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** What is done from a number on, until the next range. */
export type Range = { readonly from: number; readonly code: readonly Instruction[] };

export const LOAD = 0x20;
export const RETURN = 0x06;
export const JUMP = 0x05;
export const JUMP_EQUAL = 0x15;
export const JUMP_GREATER = 0x25;
export const JUMP_NOT_LESS = 0x35;
export const AND = 0x54;

export const KILL_THREAD = 0;

/** The kernel takes at most this many. */
const LONGEST = 4096;

export function assembleFilter(program: readonly Instruction[]): Buffer {
  if (program.length > LONGEST) throw fail("invalid", `filter system calls: the filter has ${program.length} instructions, more than the kernel takes`);
  const out = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    out.writeUInt16LE(code, index * 8);
    out[index * 8 + 2] = ifTrue;
    out[index * 8 + 3] = ifFalse;
    out.writeUInt32LE(operand, index * 8 + 4);
  }
  return out;
}

/** Finds the range of the loaded number by halves. Ranges are sorted; of several from the same number the last counts. */
export function search(ranges: readonly Range[]): Instruction[] {
  const last = ranges.filter((range, index) => ranges[index + 1]?.from !== range.from);
  return searchDistinct(last.filter((range, index) => index === 0 || !sameReturn(range, last[index - 1]!)));
}

function sameReturn(a: Range, b: Range): boolean {
  return a.code.length === 1 && b.code.length === 1 && a.code[0]![0] === RETURN && b.code[0]![0] === RETURN && a.code[0]![3] === b.code[0]![3];
}

function searchDistinct(ranges: readonly Range[]): Instruction[] {
  if (ranges.length === 1) return [...ranges[0]!.code];
  const middle = ranges.length >> 1;
  const low = searchDistinct(ranges.slice(0, middle));
  const high = searchDistinct(ranges.slice(middle));
  const from = ranges[middle]!.from;
  if (low.length <= 255) return [[JUMP_NOT_LESS, low.length, 0, from], ...low, ...high];
  return [[JUMP_NOT_LESS, 0, 1, from], [JUMP, 0, 0, low.length], ...low, ...high];
}

/** Performs body if all conditions hold, else goes on behind it. `wide`: arguments have 64 bits. */
export function conditions(args: readonly SeccompArg[], wide: boolean, body: readonly Instruction[]): Instruction[] {
  return args.reduceRight<Instruction[]>((inner, arg) => [...condition(arg, wide, inner.length), ...inner], [...body]);
}

/** A jump to the body, or over it. */
type Target = "hold" | "not" | "next";
type Step = readonly [code: number, ifTrue: Target, ifFalse: Target, operand: number];

function condition(arg: SeccompArg, wide: boolean, bodyLength: number): Instruction[] {
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) throw fail("invalid", `filter system calls: there is no argument ${arg.index}`);
  const steps = wide ? wideSteps(arg) : narrowSteps(arg);
  return steps.map(([code, ifTrue, ifFalse, operand], index) => {
    const here = steps.length - index - 1;
    const distance: Record<Target, number> = { next: 0, hold: here, not: here + bodyLength };
    if (distance[ifTrue] > 255 || distance[ifFalse] > 255) throw fail("invalid", "filter system calls: a rule has too many conditions");
    return [code, distance[ifTrue], distance[ifFalse], operand];
  });
}

const low = (value: bigint) => Number(value & 0xffffffffn);
const high = (value: bigint) => Number((value >> 32n) & 0xffffffffn);
const load = (offset: number): Step => [LOAD, "next", "next", offset];

/** struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }, little-endian. */
const argumentAt = (index: number) => 16 + 8 * index;

function wideSteps({ index, op, value, valueTwo = 0 }: SeccompArg): Step[] {
  const [a, b] = [unsigned(value), unsigned(valueTwo)];
  const [loadHigh, loadLow] = [load(argumentAt(index) + 4), load(argumentAt(index))];
  switch (op) {
    case "SCMP_CMP_EQ":
      return [loadHigh, [JUMP_EQUAL, "next", "not", high(a)], loadLow, [JUMP_EQUAL, "hold", "not", low(a)]];
    case "SCMP_CMP_NE":
      return [loadHigh, [JUMP_EQUAL, "next", "hold", high(a)], loadLow, [JUMP_EQUAL, "not", "hold", low(a)]];
    case "SCMP_CMP_GT":
    case "SCMP_CMP_GE":
      return [
        loadHigh,
        [JUMP_GREATER, "hold", "next", high(a)],
        [JUMP_EQUAL, "next", "not", high(a)],
        loadLow,
        [op === "SCMP_CMP_GT" ? JUMP_GREATER : JUMP_NOT_LESS, "hold", "not", low(a)],
      ];
    case "SCMP_CMP_LT":
    case "SCMP_CMP_LE":
      return [
        loadHigh,
        [JUMP_GREATER, "not", "next", high(a)],
        [JUMP_EQUAL, "next", "hold", high(a)],
        loadLow,
        [op === "SCMP_CMP_LT" ? JUMP_NOT_LESS : JUMP_GREATER, "not", "hold", low(a)],
      ];
    case "SCMP_CMP_MASKED_EQ":
      return [
        ...(high(a) === 0 && high(b) === 0 ? [] : ([loadHigh, [AND, "next", "next", high(a)], [JUMP_EQUAL, "next", "not", high(b)]] as Step[])),
        loadLow,
        [AND, "next", "next", low(a)],
        [JUMP_EQUAL, "hold", "not", low(b)],
      ];
    default:
      throw fail("invalid", `filter system calls: no comparison is named ${JSON.stringify(op)}`);
  }
}

/** On 32-bit architectures only the lower half is an argument. */
function narrowSteps(arg: SeccompArg): Step[] {
  const { index, op, value, valueTwo = 0 } = arg;
  const [a, b] = [low(unsigned(value)), low(unsigned(valueTwo))];
  const loadLow = load(argumentAt(index));
  switch (op) {
    case "SCMP_CMP_EQ":
      return [loadLow, [JUMP_EQUAL, "hold", "not", a]];
    case "SCMP_CMP_NE":
      return [loadLow, [JUMP_EQUAL, "not", "hold", a]];
    case "SCMP_CMP_GT":
      return [loadLow, [JUMP_GREATER, "hold", "not", a]];
    case "SCMP_CMP_GE":
      return [loadLow, [JUMP_NOT_LESS, "hold", "not", a]];
    case "SCMP_CMP_LT":
      return [loadLow, [JUMP_NOT_LESS, "not", "hold", a]];
    case "SCMP_CMP_LE":
      return [loadLow, [JUMP_GREATER, "not", "hold", a]];
    case "SCMP_CMP_MASKED_EQ":
      return [loadLow, [AND, "next", "next", a], [JUMP_EQUAL, "hold", "not", b]];
    default:
      return wideSteps(arg);
  }
}

function unsigned(value: number): bigint {
  if (!Number.isInteger(value)) throw fail("invalid", `filter system calls: ${value} is not a whole number`);
  return BigInt.asUintN(64, BigInt(value));
}
