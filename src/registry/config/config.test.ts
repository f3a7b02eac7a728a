import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kindOf } from "#base/errors.ts";
import { loadRegistryConfig } from "./config.ts";
import { parseDuration, parseSize } from "./units.ts";

const load = async (...argv: string[]) => await loadRegistryConfig(["--root", "/srv/r", ...argv], {});

test("without TLS or accounts the registry listens on loopback only", async () => {
  for (const listen of ["127.0.0.1:5000", "127.8.9.10:5000", "[::1]:5000", "localhost:5000"]) assert.ok((await load("--listen", listen)).listen.loopback, listen);
  for (const listen of ["0.0.0.0:5000", ":5000", "10.1.2.3:5000", "[::]:5000", "128.0.0.1:5000"]) {
    for (const [given, missing] of [[[], /without TLS/], [["--htpasswd", "h"], /without TLS/], [["--tls-cert", "c", "--tls-key", "k"], /without accounts/], [["--open"], /without TLS/], [["--behind-proxy"], /without accounts/]] as const) {
      await assert.rejects(load("--listen", listen, ...given), (error) => kindOf(error) === "forbidden" && missing.test(String(error)), `${listen} ${given.join(" ")}`);
    }
    for (const given of [["--tls-cert", "c", "--tls-key", "k", "--htpasswd", "h"], ["--behind-proxy", "--open"]]) assert.equal((await load("--listen", listen, ...given)).listen.loopback, false);
  }
});

test("what is there may be deleted, unless that was said otherwise, or everybody may write", async () => {
  const deletes = async (...argv: string[]) => (await load(...argv)).settings.deletes;
  assert.deepEqual([await deletes(), await deletes("--no-delete"), await deletes("--open"), await deletes("--open", "--delete")], [true, false, false, true]);
});

test("a flag goes before the file, and what is not understood is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "registry-config-"));
  try {
    const file = join(folder, "config.json");
    const write = (value: object) => writeFileSync(file, JSON.stringify(value));
    write({ root: "/srv/file", delete: false, quota: ["team/=10GB"], "gc-every": "never", retention: [{ tags: "pr-*", keepLast: 3, keepPulled: "30d" }] });
    const config = await loadRegistryConfig(["--config", file, "--root", "/srv/flag"], {});
    assert.equal(config.root, "/srv/flag");
    assert.equal(config.settings.deletes, false);
    assert.deepEqual(config.settings.quotas, [{ prefix: "team/", bytes: 10 * 1024 ** 3 }]);
    assert.deepEqual(config.settings.collect, { everyMs: 0, graceMs: 3600_000, uploadsMs: 24 * 3600_000, untaggedMs: undefined, retention: [{ repositories: "**", tags: "pr-*", keepLast: 3, keepPushedMs: undefined, keepPulledMs: 30 * 86_400_000 }] });
    for (const wrong of [{ rooot: "/x" }, { delete: "yes" }, { quota: ["10GB"] }, { retention: [{ tags: "*" }] }, { retention: [{ keepLast: 1, keep: 2 }] }, { "gc-grace": "soon" }, { "log-level": "loud" }, { "tls-cert": "c" }]) {
      write({ root: "/srv/r", ...wrong });
      await assert.rejects(loadRegistryConfig(["--config", file], {}), (error) => kindOf(error) === "invalid", JSON.stringify(wrong));
    }
    await assert.rejects(loadRegistryConfig([], {}), /--root/);
    await assert.rejects(load("--unknown"), /unknown/i);
    await assert.rejects(load("extra"), /extra|positional/i);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("durations and sizes", () => {
  assert.deepEqual(["90s", "1h30m", "30d", "250ms", "2w"].map((text) => parseDuration(text, "x")), [90_000, 5_400_000, 30 * 86_400_000, 250, 14 * 86_400_000]);
  assert.deepEqual(["1000", "1k", "1.5KB", "2GiB", "0"].map((text) => parseSize(text, "x")), [1000, 1024, 1536, 2 * 1024 ** 3, 0]);
  for (const text of ["", "5", "1x", "-1s", "1h 2m", "s"]) assert.throws(() => parseDuration(text, "x"), text);
  for (const text of ["", "x", "-1", "1e3", "1QB"]) assert.throws(() => parseSize(text, "x"), text);
});
