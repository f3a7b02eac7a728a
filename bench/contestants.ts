/** Who is measured: engines behind the official client, each at a place of its own, and what has a command of its own. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEngine, type Engine } from "../test/e2e/harness/engine.ts";
import { processesOf } from "../test/e2e/harness/place.ts";
import { onPath } from "../test/packages.ts";

export type Contestant = AsyncDisposable & {
  readonly name: string;
  /** "28.2.2 with …": what was measured. */
  readonly version: string;
  /** Runs a command of its client to the end, its output thrown away; it has to succeed. */
  run(...argv: string[]): Promise<void>;
  /** The same; its standard output. */
  read(...argv: string[]): Promise<string>;
  /** Of its client's processes. */
  readonly env?: NodeJS.ProcessEnv;
  /** Processes that it keeps: engine, shims, and what runs in containers. Empty when it keeps none. */
  processes(): number[];
};

export async function openGantry(): Promise<Contestant> {
  return throughDocker("gantry", await openEngine([], "gantry"));
}

export async function openDockerd(): Promise<Contestant | undefined> {
  return onPath("dockerd") ? throughDocker("dockerd", await openEngine([], "dockerd")) : undefined;
}

async function throughDocker(name: string, engine: Engine): Promise<Contestant> {
  const env = { ...process.env, DOCKER_HOST: `unix://${engine.place.socket}`, DOCKER_CONFIG: join(engine.place.folder, "config"), DOCKER_CLI_HINTS: "false", DOCKER_BUILDKIT: "0" };
  const version = ((await engine.api("GET", "/version")).body as { Version: string }).Version;
  return {
    name,
    version,
    env,
    run: (...argv) => run("docker", argv, env),
    read: (...argv) => read("docker", argv, env),
    processes: () => processesOf(engine.place),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** The same dockerd, asked through buildx: its BuildKit. */
export async function openBuildKit(dockerd: Contestant | undefined): Promise<Contestant | undefined> {
  const buildx = [process.env["BUILDX"] ?? "", "/usr/local/lib/docker/cli-plugins/docker-buildx", "/usr/libexec/docker/cli-plugins/docker-buildx"].find((path) => existsSync(path));
  if (dockerd === undefined || buildx === undefined) return undefined;
  const folder = mkdtempSync("/tmp/bk-");
  mkdirSync(join(folder, "cli-plugins"));
  symlinkSync(buildx, join(folder, "cli-plugins/docker-buildx"));
  const env = { ...dockerd.env, DOCKER_CONFIG: folder, DOCKER_BUILDKIT: "1" };
  return {
    name: "buildkit",
    version: execFileSync(buildx, ["version"], { encoding: "utf8" }).split(" ")[1] as string,
    run: (...argv) => run("docker", argv, env),
    read: (...argv) => read("docker", argv, env),
    processes: () => [],
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function openBuildah(): Promise<Contestant | undefined> {
  if (!onPath("buildah")) return undefined;
  const folder = mkdtempSync("/tmp/bh-");
  const storage = ["--root", join(folder, "r"), "--runroot", join(folder, "x")];
  const env = { ...process.env, BUILDAH_LAYERS: "true", ...(onPath("runc") && { BUILDAH_RUNTIME: "runc" }) };
  // It loads an image as it pulls any other.
  const words = (argv: readonly string[]) => (argv[0] === "load" ? ["pull", `docker-archive:${argv.at(-1)}`] : argv);
  return {
    name: "buildah",
    version: execFileSync("buildah", ["--version"], { encoding: "utf8" }).split(" ")[2] as string,
    run: (...argv) => run("buildah", [...storage, ...words(argv)], env),
    read: (...argv) => read("buildah", [...storage, ...words(argv)], env),
    processes: () => [],
    async [Symbol.asyncDispose]() {
      await run("buildah", [...storage, "rm", "-a"], env).catch(() => {});
      await run("buildah", [...storage, "rmi", "-af"], env).catch(() => {});
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Podman has no engine: each command is a process that does the work itself. */
export async function openPodman(): Promise<Contestant | undefined> {
  if (!onPath("podman")) return undefined;
  const folder = mkdtempSync("/tmp/bp-");
  const storage = ["--root", join(folder, "r"), "--runroot", join(folder, "x"), "--cgroup-manager", "cgroupfs"];
  return {
    name: "podman",
    version: execFileSync("podman", ["--version"], { encoding: "utf8" }).trim().split(" ").at(-1) as string,
    run: (...argv) => run("podman", [...storage, ...withHostLimits(argv)], process.env),
    read: (...argv) => read("podman", [...storage, ...withHostLimits(argv)], process.env),
    processes: () => [],
    async [Symbol.asyncDispose]() {
      await run("podman", [...storage, "rm", "-af"], process.env).catch(() => {});
      await run("podman", [...storage, "rmi", "-af"], process.env).catch(() => {});
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Podman raises limits by default, which a sandboxed host refuses. */
function withHostLimits(argv: readonly string[]): string[] {
  return argv[0] === "run" ? ["run", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", ...argv.slice(1)] : [...argv];
}

/** runc alone, with a root file system that is there already: what starting a container costs without an engine. */
export async function openRunc(rootfs: string): Promise<Contestant | undefined> {
  if (!onPath("runc")) return undefined;
  const bundle = mkdtempSync("/tmp/br-");
  execFileSync("runc", ["spec"], { cwd: bundle });
  const spec = JSON.parse(execFileSync("cat", [join(bundle, "config.json")], { encoding: "utf8" })) as { process: { terminal: boolean; args: string[] }; root: { path: string } };
  spec.process.terminal = false;
  spec.process.args = ["true"];
  spec.root.path = rootfs;
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  mkdirSync(join(bundle, "state"));
  let count = 0;
  return {
    name: "runc",
    version: execFileSync("runc", ["--version"], { encoding: "utf8" }).split("\n")[0]?.split(" ").at(-1) as string,
    run: () => run("runc", ["--root", join(bundle, "state"), "run", "--bundle", bundle, `b${process.pid}-${count++}`], process.env),
    read: () => Promise.resolve(""),
    processes: () => [],
    async [Symbol.asyncDispose]() {
      rmSync(bundle, { recursive: true, force: true });
    },
  };
}

function run(program: string, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(program, argv, { env, stdio: ["ignore", "ignore", "pipe"] });
  return ended(child, `${program} ${argv.join(" ")}`);
}

async function read(program: string, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await ended(child, `${program} ${argv.join(" ")}`);
  return text.trim();
}

function ended(child: ReturnType<typeof spawn>, what: string): Promise<void> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr = (stderr + chunk).slice(-2000)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(stderr.trim().split("\n").at(-1) || `${what}: code ${code}`))));
  });
}
