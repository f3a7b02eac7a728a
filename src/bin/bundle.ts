/**
 * Makes one file of the client: build/client.js. Loading its modules one by one takes as long as Node itself needs to
 * start; one file takes a tenth of that. build/client.cjs runs it, with the code that V8 made of it when the same command
 * last ran for the first time: what a function is compiled to is made when it is first called, and most are called once.
 * The launcher uses it while it is newer than every source, and the sources otherwise, so that nothing depends on it.
 *
 * It relies on how our sources are written (named imports and exports at the beginning of a line, no cycles between
 * modules) and refuses what it does not know.
 */
import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fail } from "#base/errors.ts";

const source = resolve(import.meta.dirname, "..");
const entry = join(source, "bin/gantry.ts");

/** Into `folder`: client.js, client.cjs, and client.sources for the launcher. What was kept of earlier ones goes. */
export function writeBundle(folder: string): void {
  const { text, files } = bundle(folder);
  const id = hash("sha256", text).slice(0, 16);
  mkdirSync(join(folder, "cache"), { recursive: true });
  write(join(folder, "client.js"), `/*${id}*/${text}`);
  write(join(folder, "client.sources"), `sources="${files.map((file) => `src/${nameOf(file)}`).join("\n")}"\n`);
  write(join(folder, "client.cjs"), LOADER);
  for (const name of readdirSync(join(folder, "cache"))) if (name.startsWith("client-") && !name.startsWith(`client-${id}-`)) rmSync(join(folder, "cache", name), { force: true });
}

function write(path: string, text: string): void {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, text);
  renameSync(part, path);
}

/** V8 looks at the length of a source only, so what is kept is called by what it was made of. */
const LOADER = `"use strict";
const fs = require("node:fs"), path = require("node:path"), vm = require("node:vm");
const filename = path.join(__dirname, "client.js");
const source = fs.readFileSync(filename, "latin1");
const values = /^(?:-[Hcl]|--(?:host|context|config|log-level|tlscacert|tlscert|tlskey))$/;
const command = process.argv.slice(2).find((word, at, words) => !word.startsWith("-") && !values.test(words[at - 1])) ?? "";
const kept = path.join(__dirname, "cache", \`client-\${source.slice(2, 18)}-\${/^[a-z]{1,16}$/.test(command) ? command : ""}\`);
let cachedData;
try {
  cachedData = fs.readFileSync(kept);
} catch {}
const script = new vm.Script(source, { filename, cachedData });
if (cachedData === undefined || script.cachedDataRejected) {
  process.once("exit", (code) => {
    if (code !== 0) return;
    try {
      fs.writeFileSync(\`\${kept}.\${process.pid}\`, script.createCachedData());
      fs.renameSync(\`\${kept}.\${process.pid}\`, kept);
    } catch {}
  });
}
const outside = (file) => import(require("node:url").pathToFileURL(path.join(__dirname, file)).href);
outside.folder = __dirname;
script.runInThisContext()(outside);
`;

/** The text of the bundle, which will stand in `folder`; and what it is made of. */
export function bundle(folder: string): { readonly text: string; readonly files: readonly string[] } {
  const state: State = { folder, modules: new Map(), open: [] };
  const start = rewrite(state, entry);
  const text = [
    '(async (outside) => {\n"use strict";\nconst modules = {',
    ...[...state.modules].map(([file, text]) => `${JSON.stringify(nameOf(file))}(exports) {\n${text}\n},`),
    "};",
    "const loaded = Object.create(null);",
    "function load(name) {\n  const known = loaded[name];\n  if (known !== undefined) return known;",
    "  const exports = (loaded[name] = {});\n  modules[name](exports);\n  return exports;\n}",
    start.text,
    "})",
  ].join("\n");
  return { text, files: [entry, import.meta.filename, ...state.modules.keys()] };
}

type State = { readonly folder: string; readonly modules: Map<string, string>; readonly open: string[] };

function add(state: State, file: string): void {
  if (state.open.includes(file)) throw fail("internal", `bundle: ${[...state.open, file].map(nameOf).join(" imports ")}`);
  if (state.modules.has(file)) return;
  state.open.push(file);
  const { text, names } = rewrite(state, file);
  state.open.pop();
  const exports = names.map((name) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${name} });`);
  state.modules.set(file, `${exports.join("\n")}\n${text}`);
}

/** A module's text with its imports and exports made into calls. */
function rewrite(state: State, file: string): { text: string; names: string[] } {
  const names: string[] = [];
  const lazy: string[] = [];
  const text = withoutWarning(() => stripTypeScriptTypes(readFileSync(file, "utf8")))
    .replace(/^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";?$/gm, (_, list: string, specifier: string) => {
      const bindings = list.replace(/\s+as\s+/g, ": ").trim();
      return bindings === "" ? "" : `const { ${bindings} } = ${loadCall(state, file, specifier)};`;
    })
    .replace(/\bimport\.meta\.dirname\b/g, () => `(outside.folder + ${JSON.stringify(`/${relative(state.folder, dirname(file))}`)})`)
    .replace(/\bimport\("([^"]+)"\)/g, (_, specifier: string) => {
      const target = resolveFrom(file, specifier);
      if (target === undefined) return `Promise.resolve(process.getBuiltinModule("${specifier}"))`;
      // Programs other than the client stay where they are.
      if (dirname(target) === dirname(entry)) return `outside("${relative(state.folder, target)}")`;
      lazy.push(target);
      return `Promise.resolve().then(() => load(${JSON.stringify(nameOf(target))}))`;
    })
    .replace(/^export\s*\{([^}]*)\}\s*from\s*"([^"]+)";?$/gm, (_, list: string, specifier: string) => {
      const call = loadCall(state, file, specifier);
      return list.split(",").map((name) => name.trim()).filter((name) => name !== "")
        .map((name) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${call}.${name} });`).join(" ");
    })
    .replace(/^export\s+((?:async\s+)?function\s*\*?|const|class)\s+([\w$]+)/gm, (_, kind: string, name: string) => {
      names.push(name);
      return `${kind} ${name}`;
    });
  const odd = /^(?:import|export)\b.*$/m.exec(text);
  if (odd !== null) throw fail("internal", `bundle: ${nameOf(file)}: not understood: ${odd[0]}`);
  // What is loaded later may import us: it is no cycle.
  const open = state.open.splice(0);
  for (const target of lazy) if (!open.includes(target)) add(state, target);
  state.open.push(...open);
  return { text: escapeWide(text), names };
}

function loadCall(state: State, file: string, specifier: string): string {
  const target = resolveFrom(file, specifier);
  if (target === undefined) return `process.getBuiltinModule("${specifier}")`;
  add(state, target);
  return `load(${JSON.stringify(nameOf(target))})`;
}

/** Undefined for Node's own modules. */
function resolveFrom(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  if (specifier.startsWith("#")) return join(source, specifier.slice(1));
  if (specifier.startsWith(".")) return resolve(dirname(file), specifier);
  throw fail("internal", `bundle: ${nameOf(file)} imports a package: ${specifier}`);
}

function nameOf(file: string): string {
  return relative(source, file);
}

/** A text of Latin letters alone takes half the memory, and half the time to read. (U+2002 stands where types were.) */
function escapeWide(text: string): string {
  return text.replaceAll("\u2002", " ").replace(/[\u0080-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Stripping types is said to be experimental each time, though Node does it to run this very file. */
function withoutWarning<T>(act: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return act();
  } finally {
    process.emitWarning = emitWarning;
  }
}

if (process.argv[1] === import.meta.filename) writeBundle(resolve(source, "../build"));
