/**
 * Runs a program of the host (git, ssh) on behalf of a build: as nobody, in pid, ipc and mount namespaces of its own, with
 * no capabilities and the default seccomp filter; it sees the host's tree read-only and the host's network, and writes only
 * below /tmp, which is a folder of the data root. None of the engine's environment, none of its descriptors.
 *
 *     await using sandbox = await openSandbox({ tasks, kernel, folder: "<data root>/build/git" });
 *     const { code, stdout } = await sandbox.run({ script, args: ["--", url], env: {}, signal });
 *     … sandbox.tree is what it calls /tmp …
 *
 * It ends with the engine (a tied task), and its folder is emptied when the builder is opened.
 */
import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import { CONTAINER, type Tasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import type { ShimEvent } from "#linux/shim.ts";
import { cgroupPath } from "#spec/cgroup-path.ts";
import { parseKernelRelease } from "#spec/kernel.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import { DEFAULT_PROFILE } from "#spec/seccomp-default.ts";
import { resolveProfile } from "#spec/seccomp-profile.ts";
import { frameReader } from "#spec/stream-frames.ts";
import { release } from "node:os";

export type SandboxParts = {
  readonly tasks: Pick<Tasks, "plan" | "create" | "forget" | "gone" | "reap">;
  readonly kernel: Kernel;
  /** Its folders are made in it. */
  readonly folder: string;
};

export type Sandbox = AsyncDisposable & {
  /** On the host. What is in it is hostile as soon as something ran. */
  readonly tree: string;
  run(command: SandboxCommand): Promise<SandboxResult>;
};

export type SandboxCommand = {
  /** For /bin/sh; what comes from outside is only in `args` ("$1", …) and `env`. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Told of what it says while it runs. */
  readonly log?: (bytes: Uint8Array) => void;
};

export type SandboxResult = { readonly code: number; readonly stdout: Buffer; readonly stderr: Buffer };

/** Who it is: the same on every Linux. */
export const NOBODY = 65534;
const SIGKILL = 9;
const PROCESSES = 1024;
/** Of each output what is kept. */
const MAX_OUTPUT = 4 * 2 ** 20;

export async function openSandbox({ tasks, kernel, folder }: SandboxParts): Promise<Sandbox> {
  const name = randomBytes(12).toString("hex");
  const tree = `${folder}/${name}/tmp`;
  await kernel.perform([
    { op: "mkdirAll", slot: 1, path: `${folder}/${name}`, mode: 0o711 },
    { op: "mkdirAll", slot: 2, dir: 1, path: "tmp", mode: 0o700, uid: NOBODY, gid: NOBODY },
  ]);
  return {
    tree,
    run: (command) => runTask(tasks, `${folder}/${name}`, command),
    async [Symbol.asyncDispose]() {
      await kernel.perform([{ op: "mkdirAll", slot: 1, path: folder, mode: 0o711 }, { op: "removeTree", dir: 1, path: name }], { long: true });
    },
  };
}

/** Where sandboxes are, with nothing that an engine left which was killed. */
export async function sandboxFolder(kernel: Kernel, root: string): Promise<string> {
  await kernel.perform([
    { op: "mkdirAll", slot: 1, path: root, mode: 0o711 },
    { op: "removeTree", dir: 1, path: NAME },
    { op: "mkdir", dir: 1, path: NAME, mode: 0o711 },
  ], { long: true });
  return `${root}/${NAME}`;
}

const NAME = "sandboxes";

async function runTask(tasks: SandboxParts["tasks"], folder: string, command: SandboxCommand): Promise<SandboxResult> {
  const { signal } = command;
  signal.throwIfAborted();
  const id = randomBytes(32).toString("hex");
  const spec = specOf(id, `${folder}/tmp`, await realpath(RESOLV_CONF).catch(() => RESOLV_CONF), command);
  const program = await tasks.plan({ id, spec, root: { type: "bind", source: "/", readOnly: true }, stdin: { open: false, once: false }, folder: { path: folder, files: {} }, tied: true });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  ended.catch(() => undefined);
  const task = await tasks.create(id, program, (event: ShimEvent) => {
    if (event.type === "exited") resolve(event.code);
    else if (event.type === "lost") reject(fail("unavailable", "run a program of the host: its process was lost"));
  });
  let started = false;
  try {
    const { stream } = await task.shim.attach(CONTAINER, { stdin: false, stdout: true, stderr: true });
    const output = gatherOutput(stream, command);
    output.catch(() => undefined);
    await task.shim.start();
    started = true;
    const kill = () => void task.shim.signal(CONTAINER, SIGKILL).catch(() => undefined);
    signal.addEventListener("abort", kill, { once: true });
    if (signal.aborted) kill();
    try {
      const code = await ended;
      const said = await output;
      stream.destroy();
      signal.throwIfAborted();
      return { code, ...said };
    } finally {
      signal.removeEventListener("abort", kill);
      stream.destroy();
    }
  } catch (error) {
    await tasks.reap(spec.linux!.cgroupsPath!).catch(() => undefined);
    throw error;
  } finally {
    await task[Symbol.asyncDispose]();
    if (!started) await tasks.gone(id);
    await tasks.forget(id);
  }
}

const RESOLV_CONF = "/etc/resolv.conf";
const QUIET = ["nosuid", "noexec", "nodev"];

/** `names`: where /etc/resolv.conf is; often in /run, of which nothing else is seen: it is full of sockets. */
function specOf(id: string, tmp: string, names: string, { script, args, env }: SandboxCommand): Spec {
  const host = { arch: process.arch === "arm64" ? "aarch64" : "x86_64", kernel: parseKernelRelease(release()), capabilities: [] } as const;
  const seccomp = resolveProfile(DEFAULT_PROFILE, host);
  const none: readonly string[] = [];
  return {
    ociVersion: "1.2.0",
    process: {
      user: { uid: NOBODY, gid: NOBODY, additionalGids: [], umask: 0o022 },
      args: ["/bin/sh", "-eu", "-c", script, "sandbox", ...args],
      env: Object.entries({ PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/tmp/home", LC_ALL: "C", ...env }).map(([key, value]) => `${key}=${value}`),
      cwd: "/tmp",
      capabilities: { bounding: none, effective: none, permitted: none, inheritable: none, ambient: none },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: QUIET },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...QUIET, "mode=1777", "size=65536k"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: [...QUIET, "ro"] },
      { destination: "/run", type: "tmpfs", source: "tmpfs", options: [...QUIET, "mode=755", "size=1024k"] },
      ...(names.startsWith("/run/") ? [{ destination: names, type: "bind", source: names, options: ["bind", "ro", ...QUIET, "rprivate"] }] : []),
      { destination: "/tmp", type: "bind", source: tmp, options: ["bind", "rw", ...QUIET, "rprivate"] },
    ],
    linux: {
      namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }],
      cgroupsPath: cgroupPath("", id),
      resources: { devices: [{ allow: false, access: "rwm" }], pids: { limit: PROCESSES } },
      maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
      ...(seccomp !== undefined && { seccomp }),
    },
  };
}

async function gatherOutput(stream: Duplex, { log }: SandboxCommand): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const kept = { 1: [] as Buffer[], 2: [] as Buffer[] };
  const length = { 1: 0, 2: 0 };
  const take = frameReader();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const { stream: which, bytes } of take(chunk)) {
      if (which === 2) log?.(bytes);
      if (length[which] + bytes.length > MAX_OUTPUT) continue;
      length[which] += bytes.length;
      kept[which].push(Buffer.from(bytes));
    }
  }
  return { stdout: Buffer.concat(kept[1]), stderr: Buffer.concat(kept[2]) };
}
