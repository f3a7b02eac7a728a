/** `inspect`: an array of objects as JSON, or each of them through a template. */
import { type Failure, fail, messageOf } from "#base/errors.ts";
import type { Output } from "../client.ts";
import { indentJson } from "./indent.ts";

export type InspectOptions = {
  readonly format: string;
  /**
   * True for objects that docker decodes into typed structs before a template sees them: nil lists print as [], and
   * labels that are not there as "<no value>".
   */
  readonly typed?: boolean;
  /** The name of the type, where docker tells it in errors. */
  readonly type?: string;
};

/** `fetch` gives the JSON text of one object. All that are found are printed before what was not is told. */
export async function inspectAll(
  out: Output,
  names: readonly string[],
  options: InspectOptions,
  fetch: (name: string) => Promise<string>,
): Promise<void> {
  const print = await printerOf(out, options);
  const found: string[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      found.push(await fetch(name));
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  print(found);
  if (failures.length > 0) throw fail("not-found", failures.join("\n"));
}

async function printerOf(out: Output, options: InspectOptions): Promise<(found: readonly string[]) => void> {
  const { format } = options;
  if (format === "") {
    return (found) => out.write(found.length === 0 ? "[]\n" : `[\n    ${found.map((text) => indentJson(text, "    ")).join(",\n    ")}\n]\n`);
  }
  if (format === "json") return (found) => out.write(`[${found.map((text) => text.trim()).join(",")}]\n`);
  const [{ parseTemplate, executeTemplate }, { functions }, { shapeTyped }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("./functions.ts"),
    import("./inspect-shape.ts"),
  ]);
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(format, functions);
  } catch (error) {
    throw fail("invalid", messageOf(parsing(error)), { cause: error, facts: { status: 64 } });
  }
  return (found) => {
    const shown: string[] = [];
    try {
      for (const text of found) {
        const data: unknown = JSON.parse(text);
        const lenient = new WeakSet<object>();
        const shaped = options.typed ? shapeTyped(data, lenient, options.type) : data;
        shown.push(executeTemplate(template, shaped, { missingKey: "error", lenient }));
      }
    } catch (error) {
      throw parsing(error);
    } finally {
      out.write(`${shown.join("\n")}\n`);
    }
  };
}

function parsing(error: unknown): Failure {
  return fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error });
}
