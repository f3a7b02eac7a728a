/** Colours of the terminal's progress: NO_COLOR turns them off, BUILDKIT_COLORS="run=green:error=255,0,0" chooses. */
import { splitCsv } from "#spec/csv.ts";

export type Colors = {
  readonly run: string;
  readonly error: string;
  readonly cancel: string;
  paint(text: string, color: string): string;
  faint(text: string): string;
};

type Env = Readonly<Record<string, string | undefined>>;

const NAMES = "black red green yellow blue magenta cyan white".split(" ");

export function readColors(env: Env): Colors {
  if (!wantsColor(env)) return { run: "", error: "", cancel: "", paint: (text) => text, faint: (text) => text };
  const chosen = { run: "34", error: "31", cancel: "33", warning: "" };
  for (const field of (env["BUILDKIT_COLORS"] ?? "").split(":")) {
    const [key = "", value = ""] = field.split("=", 2);
    const code = codeOf(value);
    if (code !== undefined && Object.hasOwn(chosen, key.toLowerCase())) chosen[key.toLowerCase() as keyof typeof chosen] = code;
  }
  return {
    ...chosen,
    paint: (text, color) => (color === "" ? text : `\x1b[${color}m${text}\x1b[0m`),
    faint: (text) => `\x1b[2m${text}\x1b[0m`,
  };
}

export const wantsColor = (env: Env): boolean => (env["NO_COLOR"] ?? "") === "";

/** A name, "light-" and a name, or three numbers. Undefined: none of these. */
function codeOf(value: string): string | undefined {
  const name = value.toLowerCase();
  if (name === "default") return "39";
  const place = NAMES.indexOf(name.replace(/^light-/, ""));
  if (place >= 0) return String((name.startsWith("light-") ? 90 : 30) + place);
  const parts = splitCsv(value);
  return parts.length === 3 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255) ? `38;2;${parts.join(";")}` : undefined;
}
