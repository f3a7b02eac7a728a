/** Values as Go's fmt prints them. */
import { quote } from "./go-template-quote.ts";
import { goType } from "./go-template-type.ts";

/** `%v`; `undefined` is "<no value>", a nil inside a value is "<nil>". */
export function formatValue(value: unknown, top = true): string {
  if (value === undefined) return top ? "<no value>" : "<nil>";
  if (value === null) return top ? "<no value>" : "<nil>";
  if (typeof value === "number") return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map((each) => formatValue(each, false)).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  if (printed in value) return String((value as { [printed]: string })[printed]);
  const fields = Object.entries(value).filter(([, each]) => typeof each !== "function");
  if (isStruct(value)) return `{${fields.map(([, each]) => formatValue(each, false)).join(" ")}}`;
  return `map[${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `${key}:${formatValue(each, false)}`)
    .join(" ")}]`;
}

/** On an object: how it prints. For values of Go that JSON cannot tell apart, such as nil slices. */
export const printed: unique symbol = Symbol("printed");

/** On a nil pointer that JSON left out: the key it would have. */
export const absent: unique symbol = Symbol("absent");

export function isStruct(value: object): boolean {
  return goType in value;
}

/** The name of a value's type in Go. */
export function typeName(value: unknown): string {
  if (value === undefined || value === null) return "<nil>";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (Array.isArray(value)) return value.length > 0 && value.every((each) => typeof each === "string") ? "[]string" : "[]interface {}";
  if (typeof value === "function") return "func()";
  if (typeof value === "object" && isStruct(value)) return (value as { [goType]: string })[goType];
  return "map[string]interface {}";
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return BigInt(value).toString();
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 21) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return String(value);
}

const VERB = /%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(.|$)/gsu;

/** printf. Wrong arguments show in the text, as in Go. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  const text = format.replace(VERB, (whole, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
    if (verb === "") return "%!(NOVERB)";
    const size = width === "*" ? Number(args[next++]) : Number(width ?? 0);
    const dotted = /\.(\*|\d*)?/.test(whole.slice(0, -verb.length));
    const digits = precision === "*" ? Number(args[next++]) : dotted ? Number(precision ?? 0) : undefined;
    if (verb === "%") return "%";
    if (next >= args.length) return `%!${verb}(MISSING)`;
    return pad(formatVerb(verb, args[next++], flags, digits), size, flags, verb);
  });
  if (next >= args.length) return text;
  const extra = args.slice(next).map((each) => (each === null || each === undefined ? "<nil>" : `${typeName(each)}=${formatValue(each, false)}`));
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}

function formatVerb(verb: string, value: unknown, flags: string, digits: number | undefined): string {
  const wrong = () => (value === null || value === undefined ? `%!${verb}(<nil>)` : `%!${verb}(${typeName(value)}=${formatValue(value, false)})`);
  if (Array.isArray(value) && "sdqxX".includes(verb)) {
    return `[${value.map((each) => formatVerb(verb, each, flags, digits)).join(" ")}]`;
  }
  switch (verb) {
    case "v":
      return signed(formatValue(value, false), value, flags);
    case "T":
      return typeName(value);
    case "t":
      return typeof value === "boolean" ? String(value) : wrong();
    case "s":
      if (typeof value === "number" || typeof value === "boolean" || value === null || value === undefined) return wrong();
      return cut(formatValue(value, false), digits);
    case "q":
      if (typeof value === "number") return Number.isInteger(value) ? `'${String.fromCodePoint(value)}'` : wrong();
      return typeof value === "string" ? quote(cut(value, digits)) : wrong();
    case "d":
      return isInteger(value) ? signed(formatNumber(value), value, flags) : wrong();
    case "x":
    case "X":
      return hexadecimal(value, verb, flags) ?? wrong();
    case "o":
      return isInteger(value) ? signed(value.toString(8), value, flags) : wrong();
    case "b":
      return isInteger(value) ? signed(value.toString(2), value, flags) : wrong();
    case "c":
      return isInteger(value) ? String.fromCodePoint(value) : wrong();
    case "U":
      return isInteger(value) ? `U+${value.toString(16).toUpperCase().padStart(4, "0")}` : wrong();
    case "f":
    case "F":
      // A whole number is an int to Go, for which there is no %f.
      return typeof value === "number" && !Number.isInteger(value) ? signed(value.toFixed(digits ?? 6), value, flags) : wrong();
    case "e":
    case "E": {
      if (typeof value !== "number" || Number.isInteger(value)) return wrong();
      const text = value.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, "e$10$2");
      return signed(verb === "E" ? text.toUpperCase() : text, value, flags);
    }
    case "g":
    case "G":
      return typeof value === "number" && !Number.isInteger(value) ? signed(formatNumber(digits === undefined ? value : Number(value.toPrecision(digits))), value, flags) : wrong();
    default:
      return wrong();
  }
}

function isInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

function hexadecimal(value: unknown, verb: string, flags: string): string | undefined {
  let text: string;
  if (isInteger(value)) text = (value < 0 ? "-" : "") + (flags.includes("#") ? "0x" : "") + Math.abs(value).toString(16);
  else if (typeof value === "string") text = Buffer.from(value).toString("hex");
  else return undefined;
  return verb === "X" ? text.toUpperCase() : text;
}

function signed(text: string, value: unknown, flags: string): string {
  if (typeof value !== "number" || value < 0) return text;
  if (flags.includes("+")) return `+${text}`;
  return flags.includes(" ") ? ` ${text}` : text;
}

function cut(text: string, digits: number | undefined): string {
  return digits === undefined ? text : [...text].slice(0, digits).join("");
}

function pad(text: string, width: number, flags: string, verb: string): string {
  const missing = Math.abs(width) - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-") || width < 0) return text + " ".repeat(missing);
  if (!flags.includes("0") || text.startsWith("%!")) return " ".repeat(missing) + text;
  const sign = "dfeEgGvxXob".includes(verb) ? (/^[+-]/.exec(text)?.[0] ?? "") : "";
  return sign + "0".repeat(missing) + text.slice(sign.length);
}
