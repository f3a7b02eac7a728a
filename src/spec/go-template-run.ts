import { Failure, fail } from "#base/errors.ts";
import type { ArgumentType, ExecuteOptions, Template, TemplateFunction } from "./go-template.ts";
import { goType } from "./go-template-type.ts";
import { arities, isTrue } from "./go-template-functions.ts";
import { type CommandNode, type Node, type Operand, type Pipe, show } from "./go-template-nodes.ts";
import { absent, formatValue, typeName } from "./go-template-print.ts";

export function run(template: Template, data: unknown, options: ExecuteOptions): string {
  const state: State = { template, options, out: [], variables: [{ name: "$", value: data }] };
  try {
    walkAll(state, data, template.nodes);
  } catch (cause) {
    // What was printed before: docker prints it in places.
    if (cause instanceof Failure) throw fail(cause.kind, cause.message, { cause, facts: { ...cause.facts, partial: state.out.join("") } });
    throw cause;
  }
  return state.out.join("");
}

type State = {
  readonly template: Template;
  readonly options: ExecuteOptions;
  readonly out: string[];
  readonly variables: { name: string; value: unknown }[];
};

type Flow = "next" | "break" | "continue";

function walkAll(state: State, dot: unknown, nodes: readonly Node[]): Flow {
  for (const node of nodes) {
    const flow = walk(state, dot, node);
    if (flow !== "next") return flow;
  }
  return "next";
}

function walk(state: State, dot: unknown, node: Node): Flow {
  switch (node.kind) {
    case "text":
      state.out.push(node.text);
      return "next";
    case "action": {
      const value = evaluatePipe(state, dot, node.pipe);
      if (node.pipe.variables.length === 0) state.out.push(formatAction(state, node.pipe, value));
      return "next";
    }
    case "break":
    case "continue":
      return node.kind;
    default:
      return scoped(state, () => walkBranch(state, dot, node));
  }
}

/** Variables declared inside go away behind it. */
function scoped<T>(state: State, act: () => T): T {
  const depth = state.variables.length;
  const result = act();
  state.variables.length = depth;
  return result;
}

function walkBranch(state: State, dot: unknown, node: Node & { kind: "if" | "with" | "range" }): Flow {
  const value = evaluatePipe(state, dot, node.pipe, node.kind !== "range");
  if (node.kind === "range") return walkRange(state, dot, value, node);
  if (!isTrue(value)) return walkAll(state, dot, node.otherwise);
  return walkAll(state, node.kind === "with" ? value : dot, node.body);
}

function walkRange(state: State, dot: unknown, value: unknown, node: Node & { kind: "range" | "if" | "with" }): Flow {
  const pairs = pairsOf(value);
  if (pairs === undefined) throw error(state, node.pipe, `range can't iterate over ${formatValue(value, false)}`);
  if (pairs.length === 0) return walkAll(state, dot, node.otherwise);
  const names = node.pipe.variables;
  for (const [key, each] of pairs) {
    const flow = scoped(state, () => {
      if (names.length === 1) assign(state, node.pipe, names[0]!, each);
      if (names.length === 2) {
        assign(state, node.pipe, names[0]!, key);
        assign(state, node.pipe, names[1]!, each);
      }
      return walkAll(state, each, node.body);
    });
    if (flow === "break") break;
  }
  return "next";
}

function pairsOf(value: unknown): [unknown, unknown][] | undefined {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((each, at) => [at, each]);
  if (typeof value === "number" && Number.isInteger(value)) return Array.from({ length: Math.max(0, value) }, (_, at) => [at, at]);
  if (typeof value !== "object" || goType in value) return undefined;
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function assign(state: State, pipe: Pipe, name: string, value: unknown): void {
  if (!pipe.assigns) {
    state.variables.push({ name, value });
    return;
  }
  const variable = state.variables.findLast((each) => each.name === name);
  if (variable === undefined) throw error(state, pipe, `undefined variable: ${name}`);
  variable.value = value;
}

/** `declares` is false for a range, whose variables are set for each of its items. */
function evaluatePipe(state: State, dot: unknown, pipe: Pipe, declares = true): unknown {
  let value: unknown = NONE;
  for (const command of pipe.commands) value = evaluateCommand(state, dot, command, value);
  if (declares) for (const name of pipe.variables) assign(state, pipe, name, value);
  return value;
}

/** No value is piped in. */
const NONE = Symbol("none");

function evaluateCommand(state: State, dot: unknown, command: CommandNode, piped: unknown): unknown {
  const [first, ...rest] = command.args as [Operand, ...Operand[]];
  if (first.kind === "function") return callFunction(state, dot, first, rest, piped, command);
  const isPath = first.kind === "field" || first.kind === "chain" || (first.kind === "variable" && first.path.length > 0);
  if (isPath) return evaluatePath(state, dot, first, { args: rest, piped });
  if (rest.length > 0 || piped !== NONE) {
    throw error(state, first, `can't give argument to non-function ${show(first)}`);
  }
  if (first.kind === "nil") throw error(state, command, "nil is not a command");
  return evaluateOperand(state, dot, first);
}

function evaluateOperand(state: State, dot: unknown, operand: Operand): unknown {
  switch (operand.kind) {
    case "dot":
      return dot;
    case "nil":
      return null;
    case "constant":
      return operand.value;
    case "pipe":
      return scoped(state, () => evaluatePipe(state, dot, operand));
    case "function":
      return callFunction(state, dot, operand, [], NONE, operand);
    default:
      return evaluatePath(state, dot, operand, { args: [], piped: NONE });
  }
}

type Given = { readonly args: readonly Operand[]; readonly piped: unknown };
type Path = Operand & { kind: "field" | "chain" | "variable" };

function evaluatePath(state: State, dot: unknown, operand: Operand, given: Given): unknown {
  const path = operand as Path;
  let value: unknown = dot;
  if (path.kind === "variable") value = state.variables.findLast((each) => each.name === path.name)!.value;
  if (path.kind === "chain") value = evaluateOperand(state, dot, path.of);
  path.path.forEach((name, at) => {
    const last = at === path.path.length - 1;
    value = evaluateField(state, dot, value, name, path, last ? given : { args: [], piped: NONE });
  });
  return value;
}

function evaluateField(state: State, dot: unknown, receiver: unknown, name: string, node: Operand, given: Given): unknown {
  const hasArguments = given.args.length > 0 || given.piped !== NONE;
  if (receiver === undefined) {
    if (state.options.missingKey === "error") throw error(state, node, `nil data; no entry for key ${JSON.stringify(name)}`);
    return undefined;
  }
  if (receiver === null) throw error(state, node, `nil pointer evaluating interface {}.${name}`);
  if (typeof receiver !== "object" || Array.isArray(receiver)) {
    throw error(state, node, `can't evaluate field ${name} in type ${typeName(receiver)}`);
  }
  const has = name in receiver && (Object.hasOwn(receiver, name) || Object.getPrototypeOf(receiver) !== Object.prototype);
  const value = has ? (receiver as Record<string, unknown>)[name] : undefined;
  if (typeof value === "function") {
    const count = given.args.length + (given.piped === NONE ? 0 : 1);
    if (count !== value.length) throw error(state, node, `wrong number of args for ${name}: want ${value.length} got ${count}`);
    return value.apply(receiver, evaluateArguments(state, dot, value as TemplateFunction, given, node));
  }
  if (!has) {
    if (absent in receiver) throw error(state, node, `map has no entry for key ${JSON.stringify(receiver[absent])}`);
    if (goType in receiver) throw error(state, node, `can't evaluate field ${name} in type ${typeName(receiver)}`);
    if (state.options.missingKey === "error" && !state.options.lenient?.has(receiver)) {
      throw error(state, node, `map has no entry for key ${JSON.stringify(name)}`);
    }
    return undefined;
  }
  if (hasArguments) {
    // The fields of docker's structs are methods that take nothing.
    const count = given.args.length + (given.piped === NONE ? 0 : 1);
    throw error(state, node, goType in receiver ? `wrong number of args for ${name}: want 0 got ${count}` : `${name} is not a method but has arguments`);
  }
  return value;
}

function callFunction(
  state: State,
  dot: unknown,
  node: Operand & { kind: "function" },
  operands: readonly Operand[],
  piped: unknown,
  at: CommandNode | Operand,
): unknown {
  const { name } = node;
  const extra = piped === NONE ? [] : [piped];
  const count = operands.length + extra.length;
  const implementation = state.template.functions[name] as (...args: unknown[]) => unknown;
  const [min, max] = arities[name] ?? arityOf(implementation);
  if (count < min || count > max) {
    const wanted = max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min}`;
    throw error(state, node, `wrong number of args for ${name}: want ${wanted} got ${count}`);
  }
  if (name === "and" || name === "or") return shortCircuit(state, dot, name, operands, extra);
  const args = evaluateArguments(state, dot, implementation as TemplateFunction, { args: operands, piped }, node);
  try {
    return implementation(...args);
  } catch (cause) {
    if (cause instanceof Failure && cause.facts["template"] !== true) {
      throw error(state, at.kind === "command" ? at : node, `error calling ${name}: ${cause.message}`);
    }
    throw cause;
  }
}

function evaluateArguments(state: State, dot: unknown, implementation: TemplateFunction, given: Given, node: Operand): unknown[] {
  const args = given.args.map((operand, at) => {
    const type = implementation.types?.[at] ?? "any";
    if (type === "any") return evaluateOperand(state, dot, operand);
    return checkConstant(state, operand, type) ? operand.value : checkType(state, operand, type, evaluateOperand(state, dot, operand));
  });
  if (given.piped === NONE) return args;
  const type = implementation.types?.[args.length] ?? "any";
  return [...args, type === "any" ? given.piped : checkType(state, node, type, given.piped)];
}

/** True for a constant, which must be of the type as it is written. */
function checkConstant(state: State, operand: Operand, type: ArgumentType): operand is Operand & { kind: "constant" } {
  if (operand.kind === "nil") throw error(state, operand, `cannot assign nil to ${type}`);
  if (operand.kind !== "constant") return false;
  const right = type === "int" ? Number.isInteger(operand.value) : typeof operand.value === type;
  if (!right) throw error(state, operand, `expected ${type === "int" ? "integer" : type}; found ${operand.text}`);
  return true;
}

function checkType(state: State, operand: Operand, type: ArgumentType, value: unknown): unknown {
  if (value === undefined || value === null) throw error(state, operand, `invalid value; expected ${type}`);
  const found = Array.isArray(value) && value.every((each) => typeof each === "string") ? "[]string" : typeName(value);
  if (found !== type) throw error(state, operand, `wrong type for value; expected ${type}; got ${found}`);
  return value;
}

function arityOf(implementation: (...args: unknown[]) => unknown): readonly [number, number] {
  // Rest parameters do not count in `length`: such functions take any number.
  return implementation.length === 0 ? [0, Number.POSITIVE_INFINITY] : [implementation.length, implementation.length];
}

function shortCircuit(state: State, dot: unknown, name: "and" | "or", operands: readonly Operand[], extra: readonly unknown[]): unknown {
  let value: unknown;
  for (const operand of operands) {
    value = evaluateOperand(state, dot, operand);
    if (isTrue(value) === (name === "or")) return value;
  }
  return extra.length > 0 ? extra[0] : value;
}

function formatAction(state: State, pipe: Pipe, value: unknown): string {
  if (typeof value === "function") throw error(state, pipe, `can't print ${show(pipe)} of type func()`);
  return formatValue(value);
}

function error(state: State, node: Operand | CommandNode, message: string): Failure {
  const { name, text } = state.template;
  const before = text.slice(0, node.at);
  const line = before.split("\n").length;
  const column = Buffer.byteLength(before.slice(before.lastIndexOf("\n") + 1));
  return fail("invalid", `template: ${name}:${line}:${column}: executing ${JSON.stringify(name)} at <${show(node)}>: ${message}`, {
    facts: { template: true },
  });
}
