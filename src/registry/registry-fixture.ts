/** A registry for tests: the real one, on a folder and a port of its own, and what it takes to speak with it. */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { sha256 } from "#base/digest.ts";
import { openHttpServer } from "#base/http.ts";
import { openLog } from "#base/log.ts";
import { MEDIA } from "#spec/image.ts";
import type { Digest } from "#spec/digest.ts";
import { openAccess, type Access } from "./access/access.ts";
import { noUpstreams } from "./cache/cache.ts";
import { noEvents } from "./events/events.ts";
import { openRegistry, type RegistrySettings } from "./open-registry.ts";
import { openFolderStorage } from "./storage/folder.ts";
import type { Storage } from "./storage/storage.ts";

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer; json(): any };
export type Asking = { readonly headers?: Readonly<Record<string, string>>; readonly body?: Buffer | string };

export type TestRegistry = AsyncDisposable & {
  readonly port: number;
  readonly root: string;
  readonly storage: Storage;
  readonly log: string[];
  ask(method: string, path: string, asking?: Asking): Promise<Answer>;
  /** In one piece. */
  pushBlob(repository: string, bytes: Buffer): Promise<Digest>;
  pushManifest(repository: string, reference: string, document: object): Promise<Digest>;
  /** An image of one layer, whose bytes are these. */
  pushImage(repository: string, reference: string, layer: Buffer, more?: object): Promise<Digest>;
};

export type TestOptions = { readonly settings?: Partial<RegistrySettings>; readonly access?: Access; readonly root?: string };

export const testSettings: RegistrySettings = {
  deletes: true,
  createOnly: [],
  sparseIndexes: false,
  quotas: [],
  hosts: [],
  anyHost: false,
  layoutIndex: true,
  collect: { everyMs: 0, graceMs: 3600_000, uploadsMs: 24 * 3600_000, retention: [] },
};

/** GANTRY_TEST_S3 names a bucket (s3://…?endpoint=…) that is used instead of folders: storage/s3.test.ts does. */
async function openTestStorage(root: string): Promise<Storage> {
  const bucket = process.env["GANTRY_TEST_S3"];
  if (bucket === undefined) return await openFolderStorage(root);
  const { openS3Storage, parseS3Address } = await import("./storage/s3.ts");
  return await openS3Storage(await parseS3Address(bucket.replace("?", `/${basename(root)}?`)));
}

/** `root`: of another instance, which takes it away. */
export async function openTestRegistry({ settings = {}, access = openAccess, root: shared }: TestOptions = {}): Promise<TestRegistry> {
  await using stack = new AsyncDisposableStack();
  const root = shared ?? mkdtempSync(join(tmpdir(), "registry-"));
  if (shared === undefined) stack.defer(() => rmSync(root, { recursive: true, force: true }));
  const lines: string[] = [];
  const log = openLog({ write: (line) => void lines.push(line) });
  const storage = stack.use(await openTestStorage(root));
  const registry = stack.use(await openRegistry({ storage, access, events: noEvents, upstreams: noUpstreams, settings: { ...testSettings, ...settings }, log }));
  const server = openHttpServer({ serve: registry.serve, mayHijack: () => false, log });
  stack.defer(() => server.close());
  const port = Number((await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0, guarded: true })).split(":").at(-1));
  const agent = new Agent({ keepAlive: true });
  stack.defer(() => agent.destroy());
  const ask: TestRegistry["ask"] = (method, path, asking) => send({ agent, port }, { method, path, ...asking });
  const parts = stack.move();
  return { port, root, storage, log: lines, ask, ...pushing(ask), [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

type Sent = Asking & { readonly method: string; readonly path: string };

function send({ agent, port }: { readonly agent: Agent; readonly port: number }, { method, path, headers = {}, body }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? (method === "GET" || method === "HEAD" ? {} : { "content-length": "0" }) : { "content-length": String(Buffer.byteLength(body)) };
    const out = request({ host: "127.0.0.1", port, agent, method, path, headers: { ...length, ...headers } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => void parts.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const bytes = Buffer.concat(parts);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes, json: () => JSON.parse(String(bytes)) });
      });
    });
    out.on("error", reject);
    out.end(body);
  });
}

function pushing(ask: TestRegistry["ask"]): Pick<TestRegistry, "pushBlob" | "pushManifest" | "pushImage"> {
  const expect = (answer: Answer, status: number, what: string) => {
    if (answer.status !== status) throw new Error(`${what}: ${answer.status} ${answer.body}`);
  };
  const pushBlob: TestRegistry["pushBlob"] = async (repository, bytes) => {
    const digest = sha256(bytes);
    expect(await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes }), 201, `push a blob to ${repository}`);
    return digest;
  };
  const pushManifest: TestRegistry["pushManifest"] = async (repository, reference, document) => {
    const body = Buffer.from(JSON.stringify(document));
    const type = (document as { mediaType?: string }).mediaType ?? MEDIA.ociManifest;
    const digest = sha256(body);
    const name = reference === "" ? digest : reference;
    expect(await ask("PUT", `/v2/${repository}/manifests/${name}`, { body, headers: { "content-type": type } }), 201, `push a manifest to ${repository}:${name}`);
    return digest;
  };
  return {
    pushBlob,
    pushManifest,
    async pushImage(repository, reference, layer, more = {}) {
      const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", of: sha256(layer) }));
      await Promise.all([pushBlob(repository, config), pushBlob(repository, layer)]);
      return await pushManifest(repository, reference, imageOf(config, layer, more));
    },
  };
}

export function imageOf(config: Buffer, layer: Buffer, more: object = {}): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: { mediaType: MEDIA.ociConfig, digest: sha256(config), size: config.length },
    layers: [{ mediaType: MEDIA.ociLayer, digest: sha256(layer), size: layer.length }],
    ...more,
  };
}
