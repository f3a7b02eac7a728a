/**
 * What the scripts of package.json run (`gantry --dev …`):
 *   ok     types, layers, budgets and the tests beside the sources: a minute
 *   test   all of it, the stories and the attacks, having installed what these need; the last lines are the summary
 *   e2e    the stories alone; PEER=dockerd points them at the reference
 *   attack the attacks alone
 *   bench  Gantry beside its peers (bench registry: the registry server beside its own)
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { installMissing } from "./packages.ts";
import { root } from "./sources.ts";

const quick = ["src/**/*.test.ts", "test/*.test.ts", "test/{suites,oci}/**/*.test.ts"];
const stories = ["test/e2e/*.test.ts"];
const attacks = ["test/security/*.test.ts"];

const [what = "test", ...rest] = process.argv.slice(2);
process.chdir(root);
process.exitCode = act();

function act(): number {
  switch (what) {
    case "ok":
      return runTests(globSync(quick), ["--test-concurrency=2"]);
    case "test":
      installMissing();
      return runTests([...globSync(quick), ...globSync(stories), ...globSync(attacks)], ["--test-concurrency=2"]);
    case "e2e":
      installMissing();
      // The reference shares iptables with whoever else is on the host: one engine at a time.
      return runTests(globSync(stories), [`--test-concurrency=${process.env["PEER"] === undefined ? 2 : 1}`]);
    case "attack":
      installMissing();
      return runTests(globSync(attacks), ["--test-concurrency=2"]);
    case "bench":
      return run([join(root, rest[0] === "registry" ? "bench/registry.ts" : "bench/bench.ts"), ...rest]);
    default:
      process.stderr.write(`gantry --dev: ok, test, e2e, attack or bench is expected, not ${what}\n`);
      return 2;
  }
}

function runTests(files: readonly string[], options: readonly string[]): number {
  return run(["--test", "--test-reporter=spec", ...options, ...rest, ...files.toSorted()]);
}

function run(argv: readonly string[]): number {
  const { status, error } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", ...argv], { stdio: "inherit" });
  if (error !== undefined) throw error;
  return status ?? 1;
}
