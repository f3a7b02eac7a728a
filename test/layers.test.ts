/** Who may import whom (ARCHITECTURE.md), and what is true of every source. Fails with the offending line. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { allSources, root } from "./sources.ts";

/** A layer, and what it may import besides itself: layers, or one folder of a layer. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  spec: ["base"],
  linux: ["base"],
  runtime: ["base", "spec", "linux"],
  core: ["base", "spec", "linux", "runtime"],
  transfer: ["base", "spec", "core/content", "core/leases"],
  network: ["base", "spec", "linux"],
  volumes: ["base", "spec", "linux"],
  plugins: ["base", "spec"],
  builder: ["base", "spec", "core", "transfer"],
  engine: ["base", "spec", "core", "transfer", "network", "volumes", "plugins", "builder"],
  swarm: ["base", "spec"],
  registry: ["base", "spec", "core/content"],
  client: ["base", "spec"],
  console: ["spec"],
};

/** Types only: the engine is handed its kernel, and linux plans cgroups from OCI's resources. */
const allowedTypes: Readonly<Record<string, readonly string[]>> = { engine: ["linux", "runtime"], builder: ["linux"], linux: ["spec"], console: ["spec"] };

/** Only these folders of a layer may see one of the layers it may import. */
const narrowed: readonly { from: string; to: string; only: string }[] = [{ from: "core", to: "runtime", only: "core/tasks" }];

/** Only these layers may import these of Node's modules: who does I/O, who starts programs. */
const nodeModules: readonly { module: RegExp; never: readonly string[]; why: string }[] = [
  { module: /^node:(fs|net|http|https|child_process|dgram|worker_threads|os|dns|tls)/, never: ["spec"], why: "spec does no I/O" },
  { module: /^node:child_process/, never: ["base", "spec", "runtime", "core", "transfer", "volumes", "engine", "builder"], why: "programs are performed by cell" },
];

type Import = { file: string; line: number; text: string; specifier: string; typeOnly: boolean };

test("imports point downward", () => {
  const wrong = importsOf(allSources("src")).filter((found) => !isAllowed(found));
  assert.deepEqual(wrong.map(show), []);
});

test("Node's modules are imported where the architecture says", () => {
  const wrong = importsOf(allSources("src")).filter(({ file, specifier }) =>
    nodeModules.some(({ module, never }) => module.test(specifier) && never.includes(layerOf(file)) && !file.endsWith(".test.ts")),
  );
  assert.deepEqual(wrong.map(show), []);
});

test("no source of the engine, the client or the native program imports a test, and nothing imports bin", () => {
  const wrong = importsOf(allSources("src")).filter(({ file, specifier }) => {
    const target = targetOf(file, specifier);
    if (target === undefined || isTest(file)) return false;
    return isTest(target) || target.startsWith("test/") || (target.startsWith("src/bin/") && !file.startsWith("src/bin/"));
  });
  assert.deepEqual(wrong.map(show), []);
});

test("no cycles between folders", () => {
  const edges = new Map<string, Set<string>>();
  for (const { file, specifier, typeOnly } of importsOf(allSources("src"))) {
    const target = targetOf(file, specifier);
    if (target === undefined || typeOnly || isTest(file)) continue;
    const [from, to] = [layerOf(file), layerOf(target)];
    if (from !== to) edges.set(from, (edges.get(from) ?? new Set()).add(to));
  }
  const cycles: string[] = [];
  const walk = (layer: string, path: readonly string[]): void => {
    if (path.includes(layer)) return void cycles.push([...path.slice(path.indexOf(layer)), layer].join(" → "));
    for (const next of edges.get(layer) ?? []) walk(next, [...path, layer]);
  };
  for (const layer of edges.keys()) walk(layer, []);
  assert.deepEqual(cycles, []);
});

const isTest = (file: string): boolean => /(\.test|-fixture)\.ts$/.test(file);

function isAllowed({ file, specifier, typeOnly }: Import): boolean {
  const from = layerOf(file);
  const target = targetOf(file, specifier);
  if (target === undefined || from === "bin" || !target.startsWith("src/")) return true;
  const to = layerOf(target);
  if (from === to) return true;
  // A test stands beside what it tests and may build it whole; so may what several tests share.
  if (isTest(file)) return true;
  const folder = dirname(target).slice("src/".length);
  const narrow = narrowed.find((rule) => rule.from === from && rule.to === to);
  if (narrow !== undefined && !file.startsWith(`src/${narrow.only}/`)) return false;
  if (typeOnly && allowedTypes[from]?.includes(to)) return true;
  return (allowed[from] ?? []).some((entry) => entry === to || folder === entry || folder.startsWith(`${entry}/`));
}

/** Every import and re-export, also those over several lines. */
function importsOf(files: readonly string[]): Import[] {
  const pattern = /^[ \t]*(import|export)\b([^;'"]*?)\bfrom\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    return [...text.matchAll(pattern)].map((match) => ({
      file,
      line: text.slice(0, match.index).split("\n").length,
      text: match[0].replace(/\s+/g, " ").trim(),
      specifier: (match[3] ?? match[4] ?? match[5]) as string,
      typeOnly: /^\s*type\b/.test(match[2] ?? "") || everyNameIsType(match[2] ?? ""),
    }));
  });
}

/** `{ type A, type B }`. */
function everyNameIsType(clause: string): boolean {
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1]?.split(",").map((name) => name.trim()).filter(Boolean);
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
}

/** The imported file, from the root of the repository; undefined for packages. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("#")) return `src/${specifier.slice(1)}`;
  return specifier.startsWith(".") ? relative(root, join(root, dirname(file), specifier)) : undefined;
}

function layerOf(file: string): string {
  return file.split("/")[1] as string;
}

function show({ file, line, text }: Import): string {
  return `${file}:${line}: ${text}`;
}
