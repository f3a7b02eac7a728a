/**
 * Lists: a table by default, or what `--format` asks for. A `View` says which fields a kind of row has, and which of
 * them stand in its table.
 */
import { type Failure, fail, messageOf } from "#base/errors.ts";
import { goType as goTypeKey } from "#spec/go-template-type.ts";
import type { Output } from "../client.ts";
import { alignColumns } from "./columns.ts";
import { escapeControls } from "./escape.ts";

export type View<Row> = {
  /** The type's name in errors, as docker's. */
  readonly type: string;
  /** By the name templates use: the column's header, and the value. */
  readonly fields: Readonly<Record<string, readonly [header: string, value: (row: Row) => unknown]>>;
  /** The fields of the default table, in order. */
  readonly table: readonly string[];
  /** The fields of the "raw" format, where docker has it: name and field. */
  readonly raw?: readonly (readonly [name: string, field: string])[];
  /** What `-q` prints. */
  readonly quiet: string;
  /** Fields of the table only: no template and no JSON sees them. */
  readonly hidden?: readonly string[];
  /** For rows with labels: `{{.Label "x"}}`. */
  readonly labels?: (row: Row) => Readonly<Record<string, string>> | null | undefined;
};

export type RowsOptions = {
  readonly format?: string;
  readonly quiet?: boolean;
};

/** Prints rows. `format` is "", "table", "json", "raw", "table TEMPLATE" or a template. */
export async function printRows<Row>(out: Output, view: View<Row>, rows: readonly Row[], options: RowsOptions = {}): Promise<void> {
  const { format = "", quiet = false } = options;
  if (format === "" || format === "table") {
    if (quiet) return printFields(out, view, rows, view.quiet);
    return printTable(out, view, rows);
  }
  if (format === "json") {
    const { encodeJson } = await import("./functions.ts");
    for (const row of rows) out.write(`${encodeJson(fieldsOf(view, row))}\n`);
    return;
  }
  if (format === "raw" && view.raw !== undefined) {
    if (quiet) {
      const name = view.raw.find(([, field]) => field === view.quiet)?.[0] ?? "id";
      for (const row of rows) out.write(`${name}: ${text(out, view.fields[view.quiet]![1](row))}\n`);
      return;
    }
    for (const row of rows) out.write(`${view.raw.map(([name, field]) => `${name}: ${text(out, view.fields[field]![1](row))}`.trimEnd()).join("\n")}\n\n`);
    return;
  }
  await printTemplate(out, view, rows, format);
}

function printFields<Row>(out: Output, view: View<Row>, rows: readonly Row[], field: string): void {
  const value = view.fields[field]![1];
  const lines = rows.map((row) => `${text(out, value(row))}\n`);
  if (lines.length > 0) out.write(lines.join(""));
}

function printTable<Row>(out: Output, view: View<Row>, rows: readonly Row[]): void {
  const columns = view.table.map((name) => view.fields[name]!);
  const lines = [columns.map(([header]) => header).join("\t")];
  for (const row of rows) lines.push(columns.map(([, value]) => cell(text(out, value(row)))).join("\t"));
  out.write(`${alignColumns(lines).join("\n")}\n`);
}

async function printTemplate<Row>(out: Output, view: View<Row>, rows: readonly Row[], format: string): Promise<void> {
  const [{ parseTemplate, executeTemplate }, { functions, headerFunctions }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("./functions.ts"),
  ]);
  const isTable = format.startsWith("table");
  const source = unescapeFormat(isTable ? format.slice("table".length).trim() : format);
  try {
    const template = parseTemplate(source, functions);
    const shape = shapeOf(view, out);
    const lines = rows.map((row) => executeTemplate(template, shape(row)));
    if (!isTable) {
      if (lines.length > 0) out.write(`${lines.join("\n")}\n`);
      return;
    }
    const header = executeTemplate(parseTemplate(source, headerFunctions), headersOf(view));
    out.write(`${alignColumns([header, ...lines].flatMap((line) => line.split("\n"))).join("\n")}\n`);
  } catch (error) {
    throw templateError(error);
  }
}

export function templateError(error: unknown): Failure {
  return fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error });
}

/** In a shell's single quotes people write \t and \n. */
export function unescapeFormat(format: string): string {
  return format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

/** Every field's value, for JSON. */
function fieldsOf<Row>(view: View<Row>, row: Row): Record<string, unknown> {
  return Object.fromEntries(visibleFields(view).map(([name, [, value]]) => [name, value(row)]));
}

function visibleFields<Row>(view: View<Row>) {
  return Object.entries(view.fields).filter(([name]) => !view.hidden?.includes(name));
}

/** What a template sees of a row: fields computed when asked for. */
export function shapeOf<Row>(view: View<Row>, out: Output): (row: Row) => object {
  const prototype = Object.create(null) as object;
  for (const [name, [, value]] of visibleFields(view)) {
    Object.defineProperty(prototype, name, {
      enumerable: true,
      get(this: { row: Row }) {
        const found = value(this.row);
        return typeof found === "string" ? escapeControls(found, out.isTerminal) : found;
      },
    });
  }
  return (row) => {
    const shape = Object.create(prototype) as Record<PropertyKey, unknown>;
    Object.defineProperty(shape, "row", { value: row });
    Object.defineProperty(shape, goTypeKey, { value: view.type });
    Object.defineProperty(shape, "toJSON", { value: () => fieldsOf(view, row) });
    const labels = view.labels;
    if (labels !== undefined) {
      const label = Object.assign((name: string) => escapeControls(labels(row)?.[name] ?? "", out.isTerminal), { types: ["string"] });
      Object.defineProperty(shape, "Label", { value: label });
    }
    return shape;
  };
}

function headersOf<Row>(view: View<Row>): object {
  const headers: Record<string, unknown> = Object.create(null);
  for (const [name, [header]] of Object.entries(view.fields)) headers[name] = header;
  if (view.labels !== undefined) {
    headers["Label"] = (name: string) => name.split(".").at(-1)!.replace(/[-_]/g, " ");
  }
  return headers;
}

function text(out: Output, value: unknown): string {
  return escapeControls(typeof value === "string" ? value : String(value), out.isTerminal);
}

/** A tab in a value would begin a new column. */
function cell(value: string): string {
  return value.includes("\t") || value.includes("\n") ? value.replace(/[\t\n]/g, " ") : value;
}
