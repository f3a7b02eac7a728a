import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { helpText, loadConfig, reloadConfig, type Config } from "./config.ts";
import { parseConfigFile } from "./file.ts";
import { settings } from "./settings.ts";

let folder: string;
let file: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "config-"));
  file = join(folder, "daemon.json");
});
after(() => rm(folder, { recursive: true }));

async function load(json: unknown, ...argv: string[]): Promise<Config> {
  await writeFile(file, typeof json === "string" ? json : JSON.stringify(json));
  return (await loadConfig(["--config-file", file, ...argv])).config;
}

const accepted: [name: string, argv: string[], pick: (config: Config) => unknown, expected: unknown][] = [
  ["nothing: the default socket", [], (c) => c.hosts, [{ kind: "unix", path: "/run/gantry/gantry.sock" }]],
  ["the socket follows --exec-root", ["--exec-root=/run/x"], (c) => [c.hosts, c.pidfile], [[{ kind: "unix", path: "/run/x/gantry.sock" }], "/run/x/gantryd.pid"]],
  ["-H twice", ["-H", "unix:///a", "-Hunix:///b"], (c) => c.hosts, [{ kind: "unix", path: "/a" }, { kind: "unix", path: "/b" }]],
  ["a switch with a value", ["--icc=false", "--iptables"], (c) => [c.network.icc, c.network.iptables], [false, true]],
  ["short switches together with one that takes a value", ["-Dl", "warn"], (c) => [c.debug, c.logLevel], [true, "debug"]],
  ["a number", ["--mtu", "1400"], (c) => c.network.mtu, 1400],
  ["a size", ["--default-shm-size", "1.5g"], (c) => c.containers.shmSize, 1.5 * 1024 ** 3],
  ["ulimits add up", ["--default-ulimit", "nofile=10:20", "--default-ulimit", "core=-1"], (c) => c.containers.ulimits, { nofile: { Name: "nofile", Soft: 10, Hard: 20 }, core: { Name: "core", Soft: -1, Hard: -1 } }],
  ["log options add up", ["--log-opt", "max-size=1m", "--log-opt", "max-file=3"], (c) => c.containers.logOpts, { "max-size": "1m", "max-file": "3" }],
  ["options of networks", ["--default-network-opt", "bridge=a.b=c=d", "--default-network-opt", "bridge=e="], (c) => c.network.networkOptions, { bridge: { "a.b": "c=d", e: "" } }],
  ["pools", ["--default-address-pool", "base=10.10.0.0/16,size=24"], (c) => c.network.addressPools, [{ base: "10.10.0.0/16", size: 24 }]],
  ["Docker's name of the overlay driver", ["-s", "overlay2"], (c) => c.storageDriver, "overlay"],
  ["a refused key at its default", ["--tls=false", "--max-concurrent-downloads=3"], (c) => c.storageDriver, "overlay"],
  ["live restore is on", [], (c) => c.liveRestore, true],
];
for (const [name, argv, pick, expected] of accepted) {
  test(`flags: ${name}`, async () => assert.deepEqual(pick(await load({}, ...argv)), expected));
}

const rejected: [argv: string[], message: RegExp][] = [
  [["--nope"], /^unknown flag: --nope$/],
  [["-Z"], /^unknown shorthand flag: 'Z' in -Z$/],
  [["--mtu"], /^flag needs an argument: --mtu$/],
  [["-H"], /^flag needs an argument: 'H' in -H$/],
  [["run"], /accepts no arguments: run$/],
  [["--mtu", "x"], /^invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax$/],
  [["--debug=maybe"], /^invalid argument "maybe" for "-D, --debug" flag/],
  [["--mtu", "5"], /^mtu: .*expected, not 5$/],
  [["--default-ulimit", "nofile=20:10"], /soft limit must be less than or equal to hard limit: 20 > 10$/],
  [["--default-ulimit", "nope=1"], /invalid ulimit type: nope$/],
  [["--default-shm-size", "-1"], /invalid size: '-1'$/],
  [["--log-level", "loud"], /^log-level: one of/],
  [["--label", "a=1", "--label", "a=2"], /^labels: one value for each label/],
  [["--bip", "172.17.0.1"], /^bip: an IPv4 address and prefix/],
  [["--dns", "one.one"], /^dns: IP addresses are expected/],
  [["-H", "tcp://0.0.0.0:2375"], /^hosts: unix:\/\/ sockets alone/],
  [["-H", "unix://relative"], /absolute path is expected$/],
  [["-H", `unix:///${"x".repeat(107)}`], /longer than 107 bytes$/],
  [["--data-root", "relative"], /^data-root: an absolute path/],
  [["--userns-remap", "default"], /^userns-remap: Gantry does not act on this setting yet/],
  [["--icc=false", "--iptables=false"], /ICC=false uses iptables/],
  [["-s", "btrfs"], /^storage-driver: "overlay" or "vfs"/],
];
for (const [argv, message] of rejected) {
  test(`flags refused: ${argv.join(" ").slice(0, 60)}`, () => assert.rejects(load({}, ...argv), { message }));
}

test("file: keys, and the flags beside them", async () => {
  const config = await load({ mtu: 1300, hosts: ["unix:///x"], "log-opts": { "max-size": "1m" }, "default-ulimits": { nofile: { Name: "nofile", Soft: 5, Hard: 6 } } }, "--label", "a=b");
  assert.equal(config.network.mtu, 1300);
  assert.deepEqual(config.hosts, [{ kind: "unix", path: "/x" }]);
  assert.deepEqual(config.containers.logOpts, { "max-size": "1m" });
  assert.deepEqual(config.containers.ulimits, { nofile: { Name: "nofile", Soft: 5, Hard: 6 } });
  assert.deepEqual(config.labels, ["a=b"]);
});

const badFiles: [content: unknown, argv: string[], message: RegExp][] = [
  [{ mtu: 1300 }, ["--mtu", "1400"], /the following directives are specified both as a flag and in the configuration file: mtu: \(from flag: 1400, from file: 1300\)$/],
  [{ labels: ["a=b"] }, ["--label", "c=d"], /labels: \(from flag: \[c=d\], from file: \[a=b\]\)$/],
  [{ nope: 1, worse: 2 }, [], /the following directives don't match any configuration option: nope, worse$/],
  [{ group1: { nope: 1 } }, [], /don't match any configuration option: nope$/],
  ["{", [], /unable to configure the engine with file .*daemon\.json: invalid JSON: /],
  ["[]", [], /invalid JSON: an object is expected$/],
  [{ mtu: "1400" }, [], /mtu: a whole number is expected, not "1400"$/],
  [{ debug: "yes" }, [], /debug: true or false is expected/],
  [{ dns: "8.8.8.8" }, [], /dns: a list of strings is expected/],
  [{ features: { cdi: true } }, [], /^features: Gantry does not act/],
];
for (const [content, argv, message] of badFiles) {
  test(`file refused: ${JSON.stringify(content)}`, () => assert.rejects(load(content, ...argv), { message }));
}

test("file: a byte order mark is taken, bytes that are no text are not", () => {
  const json = '{"mtu":1400}';
  const utf16 = Buffer.from(`\ufeff${json}`, "utf16le");
  for (const bytes of [Buffer.from(json), Buffer.from(`\ufeff${json}`), utf16, Buffer.from(utf16).swap16()]) {
    assert.deepEqual([...parseConfigFile(bytes).values()], [1400]);
  }
  assert.throws(() => parseConfigFile(Buffer.from([0x7b, 0xff, 0x7d])), /neither UTF-8 nor UTF-16/);
  assert.equal(parseConfigFile(Buffer.alloc(0)).size, 0);
});

test("file: one that was asked for has to be there", async () => {
  await assert.rejects(loadConfig(["--config-file", join(folder, "absent")]), /absent: no such file or directory$/);
});

test("actions that do not run the engine", async () => {
  await writeFile(file, "{}");
  assert.equal((await loadConfig(["--validate", "--config-file", file])).action, "validate");
  assert.equal((await loadConfig(["--help"])).action, "help");
  assert.equal((await loadConfig(["-v"])).action, "version");
});

test("reload takes over what may change, and names what may not", async () => {
  const running = await load({ labels: ["a=b"], mtu: 1400 });
  await writeFile(file, JSON.stringify({ labels: ["c=d"], mtu: 1300, debug: true }));
  const { config, ignored } = await reloadConfig(["--config-file", file], running);
  assert.deepEqual([config.labels, config.debug, config.network.mtu, ignored], [["c=d"], true, 1400, ["mtu"]]);
});

test("every flag that is acted on is in the help", () => {
  const help = helpText();
  for (const { flag, state } of settings) if (flag !== undefined && state === undefined) assert.match(help, new RegExp(`--${flag}\\b`));
});
