/** Programs for people: one line an op, as `--dry-run` and errors show them. Pure. */
import { flatten } from "./encode.ts";
import { OPS, type Op, type Program } from "./ops.ts";

const OCTAL = new Set(["mode"]);
const HEX = new Set(["flags", "cloneFlags", "attrs", "set", "clr", "mask", "effective", "permitted", "inheritable", "magic", "magic2", "resolve"]);
const LONGEST = 160;

/** One line: `mount "proc" on "/proc" (nosuid)`: name, fields that are set, note. */
export function describeOp(op: Op): string {
  const fields = op as unknown as Record<string, number | bigint | string | Uint8Array | Program | undefined>;
  const { ints, strs } = OPS[op.op] as { ints: readonly string[]; strs: readonly string[] };
  const words = [
    ...strs.filter((name) => isSet(fields[name])).map((name) => `${name}=${text(fields[name])}`),
    ...ints.filter((name) => fields[name] !== undefined).map((name) => `${name}=${number(name, fields[name] as number)}`),
  ];
  return [op.op, ...words].join(" ") + (op.note === undefined ? "" : `  # ${op.note}`);
}

/** The program and, indented, programs inside its ops and undos; numbered as a `ProgramError` counts. */
export function describeProgram(program: Program, indent = ""): string[] {
  const undos = new Set(program.flatMap((op) => op.undo ?? []));
  return flatten(program).flatMap((op, index) => [
    `${indent}${String(index).padStart(3)}  ${undos.has(op) ? "(undo) " : ""}${describeOp(op)}`,
    ...nested(op).flatMap(([name, inner]) => [`${indent}     ${name}:`, ...describeProgram(inner, indent + "     ")]),
  ]);
}

function nested(op: Op): [string, Program][] {
  const fields = op as unknown as Record<string, unknown>;
  return OPS[op.op].strs.flatMap((name) => (Array.isArray(fields[name]) ? [[name, fields[name] as Program]] : []));
}

function isSet(value: unknown): boolean {
  return value !== undefined && !Array.isArray(value) && (value as string | Uint8Array).length > 0;
}

function text(value: unknown): string {
  if (value instanceof Uint8Array) {
    const plain = printable(value);
    return plain ?? `<${value.length} bytes>`;
  }
  return clip(JSON.stringify(value));
}

/** Bytes that are text (a list of strings, perhaps), else undefined. */
function printable(bytes: Uint8Array): string | undefined {
  if (bytes.length > 4096 || bytes.some((byte) => byte > 0x7e || (byte < 0x20 && byte !== 0 && byte !== 10 && byte !== 9))) return undefined;
  const items = Buffer.from(bytes).toString("latin1").split("\0");
  if (items.length === 1) return clip(JSON.stringify(items[0]));
  if (bytes[bytes.length - 1] !== 0 || items.slice(0, -1).some((item) => item === "" && items.length > 2)) return undefined;
  return clip(items.slice(0, -1).map((item) => JSON.stringify(item)).join(" "));
}

/** Ids by their first digits; what is still too long loses its middle: both ends of a path or a list say most. */
function clip(line: string): string {
  const short = line.replace(/[0-9a-f]{64}/g, (id) => `${id.slice(0, 12)}…`);
  return short.length <= LONGEST ? short : `${short.slice(0, LONGEST / 2)} … ${short.slice(-LONGEST / 2)}`;
}

function number(name: string, value: number | bigint): string {
  if (OCTAL.has(name)) return "0" + value.toString(8);
  if (HEX.has(name) && value > 9) return "0x" + value.toString(16);
  return value.toString();
}
