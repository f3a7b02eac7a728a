/**
 * For tests: a registry in memory, well-behaved unless told otherwise. It records every request with its headers.
 *
 *     const registry = await openTestRegistry(t, { auth: bearer({ users: { me: "secret" } }) });
 *     const image = putImage(registry, "team/app", "1", { layers: [gzipSync(layer)] });
 *     registry.tamper = ({ path }) => (path.includes("/blobs/") ? { cutAfter: 0.7 } : undefined);
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";

export type Seen = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
};

/** How an answer is not what it should be. */
export type Tamper = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | ((real: Buffer) => Buffer);
  /** The connection ends after that share (below 1) or number of the bytes of the body; 0: before the head. */
  readonly cutAfter?: number;
  /** Bytes a second. */
  readonly pace?: number;
  /** "head": nothing comes; "body": the head and nothing else; "endless": the body never ends. */
  readonly stall?: "head" | "body" | "endless";
  /** The request's body is cut after so many bytes: what came is kept. */
  readonly cutUpload?: number;
  readonly noRange?: true;
};

export type Auth = {
  readonly scheme: "basic" | "bearer";
  readonly users: Readonly<Record<string, string>>;
  /** Anybody may pull. */
  readonly anonymous?: boolean;
  /** Default: this registry's own /token. */
  readonly realm?: string;
  readonly refreshToken?: string;
};

export type TestRegistry = {
  /** "127.0.0.1:PORT" */
  readonly host: string;
  readonly origin: string;
  readonly requests: Seen[];
  readonly blobs: Map<string, Buffer>;
  /** "REPOSITORY:REFERENCE" */
  readonly manifests: Map<string, { type: string; bytes: Buffer }>;
  /** Asked at each request. */
  tamper: ((request: Seen) => Tamper | undefined) | undefined;
  /** Bytes of bodies that were sent. */
  sent: number;
  /** Of the API's parts, those that it does not have. */
  lacks: ReadonlySet<"referrers" | "head" | "mount">;
};

export type TestRegistryOptions = { readonly auth?: Auth; readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }; readonly host?: string };
type Place = { after(end: () => Promise<void>): void };

export async function openTestRegistry(t: Place, { auth, tls, host = "127.0.0.1" }: TestRegistryOptions = {}): Promise<TestRegistry> {
  const serve = (request: IncomingMessage, response: ServerResponse) => void answer(request, response).catch(() => response.destroy());
  const server = tls === undefined ? createServer(serve) : createTlsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: tls.ca !== undefined }, serve);
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const uploads = new Map<string, Buffer>();
  const registry: TestRegistry = { host: `${host}:${port}`, origin: `${tls === undefined ? "http" : "https"}://${host}:${port}`, requests: [], blobs: new Map(), manifests: new Map(), tamper: undefined, sent: 0, lacks: new Set() };
  return registry;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", registry.origin);
    const early: Seen = { method: request.method ?? "", path: url.pathname, query: url.searchParams, headers: request.headers, body: Buffer.alloc(0) };
    const tamper = registry.tamper?.(early);
    const body = await readRequest(request, tamper?.cutUpload);
    registry.requests.push({ ...early, body: body.bytes });
    if (tamper?.stall === "head") return;
    if (tamper?.cutAfter === 0) return void request.socket.destroy();
    const real = serveSeen({ ...early, body: body.bytes }, tamper);
    if (body.cut) return void request.socket.destroy();
    await reply(request, response, real, tamper);
  }

  function serveSeen(seen: Seen, tamper: Tamper | undefined): Real {
    if (seen.path === "/token") return token(seen);
    const refused = authorize(seen);
    if (refused !== undefined) return refused;
    if (seen.path === "/v2/" || seen.path === "/v2") return { status: 200, headers: {}, body: Buffer.from("{}") };
    const [, name = "", kind = "", rest = ""] = /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(seen.path) ?? [];
    if (kind === "manifests") return manifests(seen, name, rest);
    if (kind === "blobs") return rest.startsWith("uploads/") ? upload(seen, name, rest.slice(8)) : blob(seen, rest, tamper?.noRange === true);
    if (kind === "tags") return tags(seen, name);
    if (kind === "referrers" && !registry.lacks.has("referrers")) return referrers(seen, name, rest);
    return refusal(404, "NOT_FOUND");
  }

  function authorize({ method, path, headers }: Seen): Real | undefined {
    if (auth === undefined) return undefined;
    const isRead = method === "GET" || method === "HEAD";
    const given = headers.authorization ?? "";
    if (auth.scheme === "basic") {
      const known = Object.entries(auth.users).some(([name, password]) => given === `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`);
      if (known || (isRead && auth.anonymous)) return undefined;
      return refusal(401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="test"' });
    }
    const token = /^Bearer (.*)$/.exec(given)?.[1];
    if (token === "token-of-user" || (token === "token-of-anybody" && isRead && auth.anonymous)) return undefined;
    const name = /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\//.exec(path)?.[1];
    const scope = name === undefined ? "" : `,scope="repository:${name}:${isRead ? "pull" : "pull,push"}"`;
    return refusal(401, "UNAUTHORIZED", { "www-authenticate": `Bearer realm="${auth.realm ?? `${registry.origin}/token`}",service="test"${scope}` });
  }

  function token({ method, headers, query, body }: Seen): Real {
    const form = new URLSearchParams(body.toString());
    const [name = "", password = ""] = Buffer.from((headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString().split(":");
    const isUser = method === "POST" ? auth?.refreshToken !== undefined && form.get("refresh_token") === auth.refreshToken : auth?.users[name] === password && name !== "";
    if (!isUser && (headers.authorization !== undefined || method === "POST" || !auth?.anonymous)) return refusal(401, "UNAUTHORIZED");
    const answer = { token: isUser ? "token-of-user" : "token-of-anybody", expires_in: 300, ...(query.get("offline_token") === "true" && auth?.refreshToken && { refresh_token: auth.refreshToken }) };
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(answer)) };
  }

  function manifests({ method, headers, body }: Seen, name: string, reference: string): Real {
    if (method === "PUT") {
      const digest = sha256(body);
      const entry = { type: headers["content-type"] ?? "", bytes: body };
      registry.manifests.set(`${name}:${reference}`, entry).set(`${name}:${digest}`, entry);
      const subject = (JSON.parse(body.toString()) as { subject?: { digest: string } }).subject?.digest;
      return { status: 201, headers: { location: `/v2/${name}/manifests/${digest}`, "docker-content-digest": digest, ...(subject && !registry.lacks.has("referrers") && { "oci-subject": subject }) }, body: Buffer.alloc(0) };
    }
    if (method === "HEAD" && registry.lacks.has("head")) return refusal(405, "UNSUPPORTED");
    const found = registry.manifests.get(`${name}:${reference}`);
    if (found === undefined) return refusal(404, "MANIFEST_UNKNOWN");
    if (method === "DELETE") {
      registry.manifests.delete(`${name}:${reference}`);
      return { status: 202, headers: {}, body: Buffer.alloc(0) };
    }
    const digest = sha256(found.bytes);
    return ranged(found.bytes, headers.range, { "content-type": found.type, "docker-content-digest": digest, etag: `"${digest}"` });
  }

  function blob({ headers }: Seen, digest: string, noRange: boolean): Real {
    const found = registry.blobs.get(digest);
    if (found === undefined) return refusal(404, "BLOB_UNKNOWN");
    return ranged(found, noRange ? undefined : headers.range, { "content-type": "application/octet-stream", "docker-content-digest": digest, "accept-ranges": "bytes" });
  }

  function upload({ method, query, headers, body }: Seen, name: string, id: string): Real {
    const place = (key: string, status: number): Real => {
      const size = uploads.get(key)!.length;
      return { status, headers: { location: `/v2/${name}/blobs/uploads/${key}?state=${size}`, range: `0-${Math.max(0, size - 1)}` }, body: Buffer.alloc(0) };
    };
    if (method === "POST") {
      const mount = query.get("mount");
      if (mount !== null && registry.blobs.has(mount) && !registry.lacks.has("mount")) return { status: 201, headers: { location: `/v2/${name}/blobs/${mount}` }, body: Buffer.alloc(0) };
      const key = `u${uploads.size}`;
      uploads.set(key, Buffer.alloc(0));
      return place(key, 202);
    }
    const begun = uploads.get(id);
    if (begun === undefined) return refusal(404, "BLOB_UPLOAD_UNKNOWN");
    if (method === "GET") return place(id, 204);
    const from = /^(\d+)-/.exec(String(headers["content-range"] ?? ""))?.[1];
    if (from !== undefined && Number(from) !== begun.length) return refusal(416, "RANGE_INVALID");
    const all = Buffer.concat([begun, body]);
    uploads.set(id, all);
    if (method === "PATCH") return place(id, 202);
    const digest = query.get("digest") ?? "";
    if (sha256(all) !== digest) return refusal(400, "DIGEST_INVALID");
    registry.blobs.set(digest, all);
    return { status: 201, headers: { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest }, body: Buffer.alloc(0) };
  }

  function tags({ query }: Seen, name: string): Real {
    const all = [...registry.manifests.keys()].filter((key) => key.startsWith(`${name}:`) && !key.includes("sha256:")).map((key) => key.slice(name.length + 1)).toSorted();
    const from = query.get("last") ?? "";
    const page = all.filter((tag) => tag > from).slice(0, 3);
    const more = page.length > 0 && page.at(-1) !== all.at(-1);
    const link = `</v2/${name}/tags/list?n=3&last=${page.at(-1)}>; rel="next"`;
    return { status: 200, headers: { "content-type": "application/json", ...(more && { link }) }, body: Buffer.from(JSON.stringify({ name, tags: page })) };
  }

  function referrers(_: Seen, name: string, digest: string): Real {
    const found = [...registry.manifests].filter(([key]) => key.startsWith(`${name}:sha256:`)).flatMap(([, { type, bytes }]) => {
      const json = JSON.parse(bytes.toString()) as { subject?: { digest: string }; artifactType?: string };
      return json.subject?.digest === digest ? [{ mediaType: type, digest: sha256(bytes), size: bytes.length, artifactType: json.artifactType }] : [];
    });
    return { status: 200, headers: { "content-type": MEDIA.ociIndex }, body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: found })) };
  }

  async function reply(request: IncomingMessage, response: ServerResponse, real: Real, tamper: Tamper = {}): Promise<void> {
    const body = typeof tamper.body === "function" ? tamper.body(real.body) : (tamper.body ?? real.body);
    const length = tamper.stall === "endless" ? {} : { "content-length": String(body.length) };
    response.writeHead(tamper.status ?? real.status, { ...length, ...real.headers, ...tamper.headers });
    if (request.method === "HEAD") return void response.end();
    if (tamper.stall === "body") return response.flushHeaders();
    if (tamper.stall === "endless") return endless(response);
    if (tamper.pace !== undefined) return slowly(response, body, tamper.pace);
    if (tamper.cutAfter === undefined) {
      registry.sent += body.length;
      return void response.end(body);
    }
    const part = body.subarray(0, tamper.cutAfter < 1 ? Math.ceil(body.length * tamper.cutAfter) : tamper.cutAfter);
    registry.sent += part.length;
    response.write(part, () => request.socket.end());
  }
}

type Real = { status: number; headers: Record<string, string>; body: Buffer };

const refusal = (status: number, code: string, headers: Record<string, string> = {}): Real => {
  const errors = [{ code, message: code.toLowerCase().replaceAll("_", " ") }];
  return { status, headers: { "content-type": "application/json", ...headers }, body: Buffer.from(JSON.stringify({ errors })) };
};

function ranged(bytes: Buffer, range: string | undefined, headers: Record<string, string>): Real {
  const from = /^bytes=(\d+)-$/.exec(range ?? "")?.[1];
  if (from === undefined) return { status: 200, headers, body: bytes };
  if (Number(from) >= bytes.length) return refusal(416, "RANGE_INVALID");
  return { status: 206, headers: { ...headers, "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }, body: bytes.subarray(Number(from)) };
}

async function readRequest(request: IncomingMessage, most = Infinity): Promise<{ bytes: Buffer; cut: boolean }> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    parts.push(chunk.subarray(0, most - length));
    length += chunk.length;
    if (length >= most) return { bytes: Buffer.concat(parts), cut: true };
  }
  return { bytes: Buffer.concat(parts), cut: false };
}

function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", more);
  more();
}

function slowly(response: ServerResponse, body: Buffer, pace: number): void {
  let at = 0;
  const timer = setInterval(() => {
    if (response.destroyed || at >= body.length) return clearInterval(timer);
    response.write(body.subarray(at, at + Math.max(1, pace / 50)));
    at += Math.max(1, pace / 50);
  }, 20);
}

export type TestImage = { readonly layers: readonly Buffer[]; readonly platform?: Platform; readonly extra?: Record<string, unknown> };

/** Gzip layers and their image under a tag (and its digest). */
export function putImage(registry: TestRegistry, repository: string, tag: string, { layers, platform = { os: "linux", architecture: "amd64" }, extra = {} }: TestImage): Descriptor & { layers: Descriptor[] } {
  const config = putBlob(registry, MEDIA.ociConfig, Buffer.from(JSON.stringify({ ...platform, config: {}, rootfs: { type: "layers", diff_ids: layers.map((layer) => sha256(gunzipSync(layer))) } })));
  const described = layers.map((layer) => putBlob(registry, MEDIA.ociLayerGzip, layer));
  return { ...putManifest(registry, repository, tag, MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: described, ...extra }), layers: described };
}

export function putIndex(registry: TestRegistry, repository: string, tag: string, images: readonly (Descriptor & { platform: Platform })[]): Descriptor {
  const manifests = images.map(({ mediaType, digest, size, platform }) => ({ mediaType, digest, size, platform }));
  return putManifest(registry, repository, tag, MEDIA.ociIndex, { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
}

export function putManifest(registry: TestRegistry, repository: string, tag: string, type: string, document: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = sha256(bytes);
  registry.manifests.set(`${repository}:${tag}`, { type, bytes }).set(`${repository}:${digest}`, { type, bytes });
  return { mediaType: type, digest, size: bytes.length };
}

export function putBlob(registry: TestRegistry, mediaType: string, bytes: Buffer): Descriptor & { digest: Digest } {
  const digest = sha256(bytes);
  registry.blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.length };
}

/** Bytes that do not compress, in gzip. */
export const noise = (size: number, seed = 1): Buffer => {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at < size; at += 4) bytes.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), Math.min(at, size - 4));
  return gzipSync(bytes, { level: 1 });
};
