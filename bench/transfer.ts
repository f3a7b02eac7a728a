/** Pulling and pushing, against Debian's docker-registry on loopback: an image of 164 MB in 6 layers, gzip. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { tar } from "../test/fixtures/tar.ts";
import { onPath } from "../test/packages.ts";
import { largeLayers } from "./fixtures.ts";
import type { Row } from "./rows.ts";

type Registry = Disposable & { readonly host: string };

const missing = () => (onPath("docker-registry") ? undefined : "docker-registry is not on this machine");
const LAYERS = 6;

export const transferRows: readonly Row[] = [
  {
    id: "pull", title: "pull, 164 MB in 6 layers", unit: "ms", must: 0.4, goal: 0.2, rounds: 5, also: ["podman"], missing,
    async measure(who) {
      const { host } = await source();
      const time = await timed(() => who.run("pull", "-q", ...open(who), `${host}/large:1`));
      await who.run("rmi", "-f", `${host}/large:1`);
      return time;
    },
  },
  {
    id: "pull-changed", title: "pull, one of its layers changed", unit: "ms", must: 0.5, goal: 0.3, rounds: 5, also: ["podman"], missing,
    async measure(who) {
      const { host } = await source();
      await who.run("pull", "-q", ...open(who), `${host}/large:1`);
      const time = await timed(() => who.run("pull", "-q", ...open(who), `${host}/large:2`));
      await who.run("rmi", "-f", `${host}/large:1`, `${host}/large:2`);
      return time;
    },
  },
  {
    id: "pull-50", title: "50 concurrent pulls of it", unit: "ms", must: 0.5, goal: 0.3, rounds: 3, missing,
    async measure(who) {
      const { host } = await source();
      const time = await timed(() => Promise.all(Array.from({ length: 50 }, () => who.run("pull", "-q", `${host}/large:1`))));
      await who.run("rmi", "-f", `${host}/large:1`);
      return time;
    },
  },
  {
    id: "push", title: "push of it, to an empty registry", unit: "ms", must: 0.5, goal: 0.3, rounds: 3, also: ["podman"], missing,
    async measure(who) {
      const { host } = await source();
      using target = await openRegistry();
      await who.run("pull", "-q", ...open(who), `${host}/large:1`);
      await who.run("tag", `${host}/large:1`, `${target.host}/large:1`);
      const time = await timed(() => who.run("push", "-q", ...open(who), `${target.host}/large:1`));
      await who.run("rmi", "-f", `${host}/large:1`, `${target.host}/large:1`);
      return time;
    },
  },
];

/** Podman has to be told of each registry that speaks without TLS. */
const open = ({ name }: { name: string }): string[] => (name === "podman" ? ["--tls-verify=false"] : []);

let begun: Promise<Registry> | undefined;

/** A registry that has large:1, and large:2 with one file more in its last layer. */
function source(): Promise<Registry> {
  return (begun ??= fill());
}

async function fill(): Promise<Registry> {
  const registry = await openRegistry();
  process.once("exit", () => registry[Symbol.dispose]());
  const layers = largeLayers(LAYERS);
  await put(registry, "1", layers);
  await put(registry, "2", [...layers.slice(0, -1), Buffer.concat([layers.at(-1)!.subarray(0, -1024), tar([{ path: "changed", data: "2" }])])]);
  return registry;
}

async function put({ host }: Registry, tag: string, layers: readonly Buffer[]): Promise<void> {
  const config = Buffer.from(JSON.stringify({
    architecture: { x64: "amd64", arm64: "arm64" }[process.arch as "x64"], os: "linux", config: { Cmd: ["true"] },
    rootfs: { type: "layers", diff_ids: layers.map(digestOf) }, history: layers.map(() => ({ created_by: "large" })),
  }));
  const manifest = {
    schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: await putBlob(host, config, "application/vnd.docker.container.image.v1+json"),
    layers: [] as object[],
  };
  for (const layer of layers) manifest.layers.push(await putBlob(host, gzipSync(layer), "application/vnd.docker.image.rootfs.diff.tar.gzip"));
  await send("PUT", `http://${host}/v2/large/manifests/${tag}`, JSON.stringify(manifest), manifest.mediaType);
}

async function putBlob(host: string, bytes: Buffer, mediaType: string): Promise<object> {
  const digest = digestOf(bytes);
  const begin = await send("POST", `http://${host}/v2/large/blobs/uploads/`);
  const place = new URL(begin.headers.get("location")!, `http://${host}`);
  place.searchParams.set("digest", digest);
  await send("PUT", place.href, bytes, "application/octet-stream");
  return { mediaType, digest, size: bytes.length };
}

async function send(method: string, url: string, body?: Buffer | string, type?: string): Promise<Response> {
  const answer = await fetch(url, { method, ...(body !== undefined && { body: new Uint8Array(Buffer.from(body)) }), headers: type === undefined ? {} : { "content-type": type } });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}`);
  return answer;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function openRegistry(): Promise<Registry> {
  const folder = mkdtempSync("/tmp/bench-registry-");
  mkdirSync(join(folder, "root"));
  const port = await freePort();
  const config = join(folder, "config.yml");
  writeFileSync(config, `version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/root\nhttp:\n  addr: 127.0.0.1:${port}\n`);
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore", env: { ...process.env, OTEL_TRACES_EXPORTER: "none" } });
  child.unref();
  const host = `127.0.0.1:${port}`;
  while (!(await fetch(`http://${host}/v2/`).then((answer) => answer.ok, () => false))) {
    if (child.exitCode !== null) throw new Error("docker-registry did not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    host,
    [Symbol.dispose]() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
