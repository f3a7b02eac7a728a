/**
 * Prints native/ops.h from the op table: codes, shapes, and a name for the place of every field.
 * `node src/linux/generate-header.ts > native/ops.h`; header.test.ts holds the two together.
 */
import { codeOf, HOST_NULL, INIT_PIDFD, OPS, SLOTS } from "./ops.ts";

/** The text of native/ops.h. */
export function header(): string {
  const names = Object.keys(OPS) as (keyof typeof OPS)[];
  const lines = [
    "/* Generated from src/linux/ops.ts by src/linux/generate-header.ts. Do not edit. */",
    "#ifndef OPS_H",
    "#define OPS_H",
    "#include <stdint.h>",
    `enum { SLOTS = ${SLOTS}, INIT_PIDFD = ${INIT_PIDFD}, HOST_NULL = ${HOST_NULL} };`,
    "enum {",
    ...names.map((name) => `  OP_${upper(name)} = ${codeOf(name)},`),
    "};",
    "/* Places of the fields: integers in n[], strings in s[]. */",
    ...names.flatMap((name) => [
      ...places(name, OPS[name].ints, "N"),
      ...places(name, OPS[name].strs, "S"),
    ]),
    "/* How many integers and strings an op has: ints << 8 | strs; -1 for a code that is none. */",
    "static inline int op_shape(unsigned code) {",
    "  switch (code) {",
    ...names.map((name) => `  case OP_${upper(name)}: return ${OPS[name].ints.length} << 8 | ${OPS[name].strs.length};`),
    "  }",
    "  return -1;",
    "}",
    "#endif",
  ];
  return lines.join("\n") + "\n";
}

function places(op: string, fields: readonly string[], kind: "N" | "S"): string[] {
  if (fields.length === 0) return [];
  return [`enum { ${fields.map((field, index) => `${upper(op)}_${upper(field)} = ${index}`).join(", ")} }; /* ${kind} */`];
}

function upper(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => "_" + letter).toUpperCase();
}

if (import.meta.main) process.stdout.write(header());
