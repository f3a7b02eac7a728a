/**
 * `npm run bench -- registry`: gantry-registry beside Debian's docker-registry, in turn, in one run; medians. Both serve a
 * folder over plain HTTP on loopback, without accounts. Prints ratios; writes bench/registry.json.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request, type IncomingHttpHeaders } from "node:http";
import { connect, createServer, type AddressInfo } from "node:net";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { onPath } from "../test/packages.ts";
import { root } from "../test/sources.ts";

type Contestant = { readonly name: string; readonly port: number; readonly pid: number; readonly agent: Agent };
type Row = { readonly id: string; readonly title: string; readonly unit: "req/s" | "MB/s" | "pushes/s" | "MB"; readonly must: number; readonly moreIsBetter?: true; measure(who: Contestant): Promise<number> };

const ROUNDS = 3;
const CONNECTIONS = 32;
const REPOSITORY = "bench/image";
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const layers = [1_000, 64_000, 1_000_000, 20_000_000].map((size) => ({ size, bytes: randomBytes(size) }));
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: descriptor("application/vnd.oci.image.config.v1+json", layers[0]!.bytes), layers: layers.map(({ bytes }) => descriptor("application/vnd.oci.image.layer.v1.tar", bytes)) }));

function descriptor(mediaType: string, bytes: Buffer): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

const rows: readonly Row[] = [
  gets("manifest-tag", "manifest by tag", () => "manifests/latest"),
  gets("manifest-digest", "manifest by digest", () => `manifests/${digestOf(manifest)}`),
  ...layers.map(({ size, bytes }) => gets(`blob-${size}`, `blob of ${size.toLocaleString("en")} bytes`, () => `blobs/${digestOf(bytes)}`)),
  pushes("push-large", "push of 100 MB blobs, one after another", { size: 100_000_000, count: 2, atOnce: 1 }),
  pushes("push-layers", "push of 10 MB blobs, 4 at once", { size: 10_000_000, count: 8, atOnce: 4 }),
  pushes("push-small", "push of 10 KB blobs, 8 at once", { size: 10_000, count: 200, atOnce: 8 }),
  { id: "memory-peak", title: "memory, the most of the whole run", unit: "MB", must: 2, measure: async ({ pid }) => memory(pid, "VmHWM") },
  { id: "memory-after", title: "memory after it (its own: without the pages of the program's file)", unit: "MB", must: 2, measure: async ({ pid }) => memory(pid, "RssAnon") },
];

function gets(id: string, what: string, path: () => string): Row {
  return {
    id, title: `GET of a ${what}, wrk, ${CONNECTIONS} connections`, unit: "req/s", must: 1, moreIsBetter: true,
    async measure({ port }) {
      const { stdout } = await promisify(execFile)("wrk", ["-t1", `-c${CONNECTIONS}`, "-d3s", "--timeout", "20s", "-H", `Accept: ${manifestType}`, `http://127.0.0.1:${port}/v2/${REPOSITORY}/${path()}`]);
      const odd = /Non-2xx.*|Socket errors: (?!connect 0, read 0, write 0).*/.exec(stdout)?.[0];
      if (odd !== undefined) throw new Error(odd);
      return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
    },
  };
}

function pushes(id: string, title: string, { size, count, atOnce }: { readonly size: number; readonly count: number; readonly atOnce: number }): Row {
  const small = size < 100_000;
  return {
    id, title, unit: small ? "pushes/s" : "MB/s", must: 1, moreIsBetter: true,
    async measure(who) {
      const blobs = Array.from({ length: count }, () => randomBytes(size)).map((bytes) => ({ bytes, digest: digestOf(bytes) }));
      const began = performance.now();
      await Promise.all(Array.from({ length: atOnce }, async () => {
        for (let blob = blobs.pop(); blob !== undefined; blob = blobs.pop()) await pushBlob(who, blob.bytes, blob.digest);
      }));
      const seconds = (performance.now() - began) / 1000;
      return small ? count / seconds : (count * size) / 1e6 / seconds;
    },
  };
}

/** As Docker's client does: POST, PATCH, PUT. */
async function pushBlob(who: Contestant, bytes: Buffer, digest: string): Promise<void> {
  const started = await ask(who, "POST", `/v2/${REPOSITORY}/blobs/uploads/`, 202);
  const patched = await ask(who, "PATCH", started.location!, 202, { body: bytes, type: "application/octet-stream" });
  const location = patched.location!;
  await ask(who, "PUT", `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`, 201);
}

function ask({ port, agent }: Contestant, method: string, path: string, status: number, { body, type = "" }: { body?: Buffer; type?: string } = {}): Promise<IncomingHttpHeaders> {
  const target = path.startsWith("http") ? new URL(path) : new URL(path, `http://127.0.0.1:${port}`);
  return new Promise((resolve, reject) => {
    const out = request(target, { method, agent, headers: { "content-length": body?.length ?? 0, ...(type !== "" && { "content-type": type }) } }, (answer) => {
      answer.resume().on("end", () => (answer.statusCode === status ? resolve(answer.headers) : reject(new Error(`${method} ${target}: ${answer.statusCode}`))));
    });
    out.on("error", reject).end(body);
  });
}

const memory = (pid: number, field: string): number => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

type Starter = (folder: string, port: number) => readonly string[];

const starters: Readonly<Record<string, Starter>> = {
  gantry: (folder, port) => [join(root, "gantry"), "registry", "serve", "--listen", `127.0.0.1:${port}`, "--root", join(folder, "store")],
  "docker-registry": (folder, port) => {
    writeFileSync(join(folder, "config.json"), JSON.stringify({ version: "0.1", log: { level: "error", accesslog: { disabled: true } }, storage: { cache: { blobdescriptor: "inmemory" }, filesystem: { rootdirectory: join(folder, "store") } }, http: { addr: `127.0.0.1:${port}` } }));
    return ["docker-registry", "serve", join(folder, "config.json")];
  },
};

async function open(name: string, folder: string): Promise<Contestant & AsyncDisposable> {
  mkdirSync(folder);
  const port = await freePort();
  const [program, ...argv] = starters[name]!(folder, port);
  // Without it docker-registry tries to send traces somewhere.
  const child: ChildProcess = spawn(program!, argv, { stdio: "ignore", env: { ...process.env, OTEL_TRACES_EXPORTER: "none" } });
  for (let round = 0; !(await answers(port)); round++) {
    if (round === 200 || child.exitCode !== null) throw new Error(`${name} did not start`);
    await pause(50);
  }
  const agent = new Agent({ keepAlive: true });
  return {
    name, port, agent, pid: child.pid as number,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("connect", () => socket.destroy()).on("error", () => resolve(false));
  });
}

async function prepare(who: Contestant): Promise<void> {
  for (const { bytes } of layers) await pushBlob(who, bytes, digestOf(bytes));
  await ask(who, "PUT", `/v2/${REPOSITORY}/manifests/latest`, 201, { body: manifest, type: manifestType });
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const format = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-registry-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const all: Contestant[] = [];
  for (const name of Object.keys(starters)) if (name === "gantry" || onPath(name)) all.push(stack.use(await open(name, join(folder, name))));
  for (const who of all) await prepare(who);
  const measured = [];
  for (const { measure, ...row } of rows) {
    const samples = new Map(all.map((who) => [who.name, [] as number[]]));
    for (let round = 0; round < (row.unit === "MB" ? 1 : ROUNDS); round++) for (const who of all) samples.get(who.name)!.push(await measure(who));
    const values = Object.fromEntries([...samples].map(([name, numbers]) => [name, median(numbers)]));
    measured.push({ row, values, missing: {} });
    const ratio = values["gantry"]! / (values["docker-registry"] ?? Number.NaN);
    const meets = Number.isNaN(ratio) ? "no docker-registry to compare with" : `ratio ${ratio.toFixed(2)}: must ${row.moreIsBetter ? "≥" : "≤"} ${row.must} (${(row.moreIsBetter ? ratio >= row.must : ratio <= row.must) ? "yes" : "NO"})`;
    process.stdout.write(`${row.title}\n  ${Object.entries(values).map(([name, value]) => `${name} ${format(value)} ${row.unit}`).join("   ")}\n  ${meets}\n`);
  }
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, kernel: release() };
  writeFileSync(join(import.meta.dirname, "registry.json"), `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, rows: measured }, undefined, 2)}\n`);
}

if (!onPath("wrk")) {
  process.stderr.write("bench: wrk is needed, which makes the requests\n");
  process.exit(1);
}
await bench();
