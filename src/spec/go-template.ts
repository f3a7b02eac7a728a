/**
 * Go's text/template as `--format` uses it: actions, pipelines, variables, if / else if / with / range / break /
 * continue, comments, trim markers, the built-in functions, and the functions that a caller adds.
 *
 *     const template = parseTemplate("{{range .Names}}{{. | upper}} {{end}}", { upper: … });
 *     executeTemplate(template, { Names: ["a", "b"] });   // "A B "
 *
 * Values are JavaScript's: strings, numbers, booleans, arrays, null (nil), objects. An object is a Go map, unless it
 * has the key `goType`, which makes it a struct of that name: a missing field is an error then. A function that is
 * a property is a method. `undefined` is "no value". Errors are Failures ("invalid") with Go's own text.
 */
import type { Node } from "./go-template-nodes.ts";
import { parse } from "./go-template-parse.ts";
import { builtins } from "./go-template-functions.ts";
import { run } from "./go-template-run.ts";

export { goType } from "./go-template-type.ts";

export type TemplateFunction = ((...args: never[]) => unknown) & { readonly types?: readonly ArgumentType[] };
/** What Go would check an argument to be before the call. "any" is not checked. */
export type ArgumentType = "string" | "int" | "[]string" | "any";
export type Functions = Readonly<Record<string, TemplateFunction>>;

export type Template = {
  readonly name: string;
  readonly text: string;
  readonly nodes: readonly Node[];
  readonly functions: Functions;
};

export type ExecuteOptions = {
  /** What a missing key of a map is: "no value" by default, or an error. */
  readonly missingKey?: "error";
  /** Maps whose missing keys are "no value" all the same. */
  readonly lenient?: WeakSet<object>;
};

/** States the types of a function's arguments, so that a wrong one is told as Go tells it. */
export function typed<T extends (...args: never[]) => unknown>(implementation: T, ...types: ArgumentType[]): T & { readonly types: readonly ArgumentType[] } {
  return Object.assign(implementation, { types });
}

/** @throws invalid: "template: :1: unclosed action" */
export function parseTemplate(text: string, functions: Functions = {}, name = ""): Template {
  const all = { ...builtins, ...functions };
  return { name, text, nodes: parse(text, name, all), functions: all };
}

/** @throws invalid: "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type …" */
export function executeTemplate(template: Template, data: unknown, options: ExecuteOptions = {}): string {
  return run(template, data, options);
}
