/** `--output`, `--load`, `--push`: exporters, and where what they send goes. As buildx reads them. */
import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";
import type { ExportTarget, SolveWish } from "../build.ts";
import { parseFields } from "./fields.ts";

export type OutputOptions = {
  readonly output: readonly string[];
  readonly load: boolean;
  readonly push: boolean;
  readonly names: readonly string[];
  readonly iidfile: string;
  readonly isTerminal: boolean;
};

export type Outputs = {
  readonly exporters: SolveWish["exporters"];
  readonly targets: readonly (ExportTarget | undefined)[];
  /** Names to be pushed when the image is there, as docker's clients push. */
  readonly push: readonly string[];
};

type Wish = { type: string; readonly attributes: Record<string, string>; dest: string | undefined };

/** @throws invalid */
export function parseOutputs({ output, load, push, names, iidfile, isTerminal }: OutputOptions): Outputs {
  const wishes = output.filter((text) => text !== "").map(parseOutput);
  if (push && !markPushed(wishes)) wishes.push({ type: "image", attributes: { push: "true" }, dest: undefined });
  if (load && !wishes.some(({ type, dest }) => type === "docker" && dest === undefined)) wishes.push({ type: "docker", attributes: {}, dest: undefined });
  if (wishes.length === 0) wishes.push({ type: "image", attributes: {}, dest: undefined });
  if (iidfile !== "" && wishes.some(({ type }) => type === "local" || type === "tar")) throw fail("invalid", "local and tar exporters are incompatible with image ID file");
  const real = wishes.filter(({ type }) => type !== "cacheonly");
  const targets = real.map((wish) => targetOf(wish, isTerminal));
  const pushed = real.flatMap(({ type, attributes }) => (type === "image" && attributes["push"] === "true" ? namesOf(attributes, names) : []));
  return { exporters: real.map((wish) => exporterOf(wish, names)), targets, push: [...new Set(pushed)] };
}

function parseOutput(text: string): Wish {
  const fields = splitCsv(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith("type=")) return { type: text === "-" ? "tar" : "local", attributes: {}, dest: text };
  const { type, dest, ...attributes } = parseFields(text);
  if (type === undefined || type === "") throw fail("invalid", "type is required for output");
  if (!TYPES.has(type)) throw fail("invalid", `exporter ${JSON.stringify(type)} could not be found`);
  if (type !== "registry") return { type, attributes, dest };
  return { type: "image", attributes: { push: "true", ...attributes }, dest };
}

const TYPES = new Set(["image", "registry", "local", "tar", "oci", "docker", "cacheonly"]);

function markPushed(wishes: readonly Wish[]): boolean {
  const images = wishes.filter(({ type }) => type === "image");
  for (const { attributes } of images) attributes["push"] = "true";
  return images.length > 0;
}

function namesOf(attributes: Readonly<Record<string, string>>, names: readonly string[]): string[] {
  const own = attributes["name"] === undefined ? [] : attributes["name"].split(",");
  const all = names.length > 0 ? names : own;
  if (all.length === 0) throw fail("invalid", "tag is needed when pushing to registry");
  return [...all];
}

function exporterOf({ type, attributes, dest }: Wish, names: readonly string[]): SolveWish["exporters"][number] {
  const isImage = type === "image" || type === "oci" || type === "docker";
  const { push, ...rest } = attributes;
  const named = isImage && names.length > 0 ? { ...rest, name: names.join(",") } : rest;
  // Into the engine's own store: BuildKit inside an engine calls that "moby".
  if (type === "image" || (type === "docker" && dest === undefined)) return { type: "moby", attributes: named };
  return { type, attributes: named };
}

function targetOf({ type, attributes, dest }: Wish, isTerminal: boolean): ExportTarget | undefined {
  if (type === "image" || (type === "docker" && dest === undefined)) return undefined;
  if (type === "local") {
    if (dest === undefined || dest === "") throw fail("invalid", "dest is required for local exporter");
    if (dest === "-") throw fail("invalid", "dest cannot be stdout for local exporter");
    return { kind: "folder", path: dest };
  }
  if (attributes["tar"] === "false") throw fail("not-implemented", `type=${type},tar=false: only archives are written; unpack one for a folder`);
  if (dest !== undefined && dest !== "-" && dest !== "") return { kind: "file", path: dest };
  if (isTerminal) throw fail("invalid", `dest file is required for ${type} exporter. refusing to write to console`);
  return { kind: "stdout" };
}
