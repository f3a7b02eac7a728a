import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeBundle } from "./bundle.ts";

const folder = mkdtempSync("/tmp/bundle-");
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "client.cjs");
writeBundle(folder);

function run(program: string, ...line: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--", program, "--config", folder, ...line], { encoding: "utf8" });
  return { status, stdout, stderr };
}

for (const line of [["--version"], [], ["run", "--help"], ["context", "ls", "--format", "{{json .}}"], ["explain"], ["ps", "--nope"], ["-H", "unix:///nothing/here", "images"]]) {
  test(`the bundle does what the sources do, also with what was kept of the first time: gantry ${line.join(" ")}`, () => {
    const wanted = run(join(import.meta.dirname, "gantry.ts"), ...line);
    assert.deepEqual([run(file, ...line), run(file, ...line)], [wanted, wanted]);
  });
}

test("what V8 made of it is kept by command, for this bundle only, and nothing breaks when it cannot be used", () => {
  const kept = () => readdirSync(join(folder, "cache")).filter((name) => name.startsWith("client-"));
  spawnSync(process.execPath, ["--", file, "version", "--help"]);
  spawnSync(process.execPath, ["--", file, "-H", "unix:///nothing", "--debug", "image", "ls", "--help"]);
  assert.ok(kept().some((name) => name.endsWith("-image")));
  const [own = ""] = kept().filter((name) => name.endsWith("-version"));
  assert.match(own, /^client-[0-9a-f]{16}-version$/);
  writeFileSync(join(folder, "cache", own), "no code");
  assert.equal(spawnSync(process.execPath, ["--", file, "version", "--help"]).status, 0);
  assert.ok(readFileSync(join(folder, "cache", own)).length > 1000);
  writeFileSync(join(folder, "cache", "client-0123456789abcdef-ps"), "");
  writeBundle(folder);
  assert.ok(kept().includes(own) && !kept().includes("client-0123456789abcdef-ps"));
});

test("the launcher looks at every source the bundle is made of", () => {
  const modules = [...readFileSync(join(folder, "client.js"), "utf8").matchAll(/^"([\w./-]+\.ts)"\(exports\) \{$/gm)].map((match) => match[1]!);
  assert.ok(modules.length > 100, `${modules.length} modules`);
  const { stdout } = spawnSync("sh", ["-c", '. "$0" && printf %s "$sources"', join(folder, "client.sources")], { encoding: "utf8" });
  assert.deepEqual(new Set(stdout.split("\n")), new Set(["bin/gantry.ts", "bin/bundle.ts", ...modules].map((name) => `src/${name}`)));
});

test("as the launcher starts it, nothing is compiled in a thread that the end of the process would wait for", () => {
  const [, flags = ""] = /src\/bin\/gantry\.ts flags='([^']*)'/.exec(readFileSync(join(import.meta.dirname, "../../gantry"), "utf8")) ?? [];
  assert.notEqual(flags, "");
  const hot = "const hot = (n) => { let sum = 0; for (let i = 0; i < n; i++) sum += (i * i) % 7; return sum; }; for (let i = 0; i < 2000; i++) hot(2000);";
  const { stdout } = spawnSync(process.execPath, [...flags.split(" "), "--trace-opt", "-e", hot], { encoding: "utf8" });
  const modes = [...stdout.matchAll(/^\[compiling method .* mode: (\S+)\]$/gm)].map((match) => match[1]);
  assert.deepEqual([...new Set(modes)], ["ConcurrencyMode::kSynchronous"]);
});
