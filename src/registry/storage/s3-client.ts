/**
 * Requests to one S3 bucket: signed (SigV4), over connections that are kept, again when the server says so.
 *
 *     const client = openS3Client(settings);
 *     const { status, body } = await client.call({ method: "PUT", key: "a/b", body: [bytes] });
 *
 * A request is repeated (four times, with jitter) after a lost connection, 429 and 5xx: every request here may be made
 * twice. What is not 2xx and not in `expect` is a failure, `unavailable`, with the server's code in it.
 */
import type { Agent, IncomingMessage, RequestOptions } from "node:http";
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { fail, messageOf } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import type { S3Settings } from "./s3-settings.ts";
import { errorOf } from "./s3-xml.ts";

export type S3Request = {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Below the prefix; undefined: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
  /** Statuses besides 2xx that are an answer. */
  readonly expect?: readonly number[];
};

/** `attempts` above 1: an earlier one may have been carried out though its answer was lost. */
export type S3Response = { readonly status: number; readonly headers: IncomingMessage["headers"]; readonly attempts: number; readonly stream: IncomingMessage };

export type S3Client = {
  /** The answer's head. Its stream must be read or destroyed. */
  open(request: S3Request): Promise<S3Response>;
  /** The answer, whole. */
  call(request: S3Request): Promise<Omit<S3Response, "stream"> & { readonly body: string }>;
  /** At the server. `headers` replace what is known of the object. False when there is none. */
  copy(key: string, to: string, headers?: Readonly<Record<string, string>>): Promise<boolean>;
  /** The key as listings name it. */
  full(key: string): string;
  readonly bucket: string;
  close(): void;
};

const ATTEMPTS = 5;
const IDLE_MS = 30_000;
const LARGEST_ANSWER = 8 * 2 ** 20;

export function openS3Client(settings: S3Settings): S3Client {
  const secure = settings.endpoint.protocol === "https:";
  const { Agent, request: start } = process.getBuiltinModule(secure ? "node:https" : "node:http");
  const agent: Agent = new Agent({ keepAlive: true, maxSockets: 64, ...(settings.ca === undefined ? {} : { ca: settings.ca }) });
  const keys = new Map<string, ArrayBuffer>();

  const once = async (request: S3Request): Promise<IncomingMessage> => {
    const { url, headers } = await sign(settings, keys, request, secure);
    const options: RequestOptions = { method: request.method, agent, headers };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = start(url, options, resolve);
    outgoing.setTimeout(IDLE_MS, () => outgoing.destroy(new Error(`nothing came for ${IDLE_MS / 1000} seconds`)));
    outgoing.once("error", reject);
    for (const chunk of request.body ?? []) outgoing.write(chunk);
    outgoing.end();
    const response = await promise;
    // The rest of the answer: an error there is seen by whoever reads it.
    outgoing.off("error", reject).on("error", () => {});
    return response;
  };

  const open = async (request: S3Request): Promise<S3Response> => {
    for (let attempts = 1; ; attempts++) {
      const stream = await once(request).catch((error: unknown) => toFailure(request, messageOf(error), error));
      const last = attempts === ATTEMPTS;
      if (!("statusCode" in stream)) {
        if (last) throw stream;
      } else {
        const status = stream.statusCode ?? 0;
        if (status < 300 || request.expect?.includes(status) === true) return { status, headers: stream.headers, attempts, stream };
        const failure = toFailure(request, `${status} ${errorOf(await textOf(stream, request)) ?? ""}`.trim());
        if (last || !isPassing(status)) throw failure;
      }
      await delay(Math.random() * 100 * 2 ** attempts);
    }
  };

  const call = async (request: S3Request) => {
    for (let again = 0; ; again++) {
      const { stream, ...head } = await open(request);
      const body = await textOf(stream, request);
      // A copy or a completion that fails late: its 200 was sent to keep the connection alive.
      const error = head.status === 200 && request.method !== "GET" && body.includes("<Error>") ? errorOf(body) : undefined;
      if (error === undefined) return { ...head, body };
      if (again === 2) throw toFailure(request, error);
    }
  };

  return {
    bucket: settings.bucket,
    full: (key) => settings.prefix + key,
    open,
    call,
    async copy(key, to, headers) {
      const source = `/${settings.bucket}/${settings.prefix}${key}`.split("/").map(encodeURIComponent).join("/");
      const directive = headers === undefined ? {} : { ...headers, "x-amz-metadata-directive": "REPLACE" };
      const { status } = await call({ method: "PUT", key: to, headers: { ...directive, "x-amz-copy-source": source }, expect: [404] });
      return status !== 404;
    },
    close: () => agent.destroy(),
  };
}

const isPassing = (status: number): boolean => status === 429 || status === 408 || status >= 500;

const toFailure = ({ method, key, query }: S3Request, what: string, cause?: unknown) =>
  fail("unavailable", `S3 ${method} ${key ?? query?.["prefix"] ?? "bucket"}: ${what}`, { cause });

async function textOf(stream: IncomingMessage, request: S3Request): Promise<string> {
  if (request.method === "HEAD") {
    stream.resume();
    return "";
  }
  return (await collect(stream as AsyncIterable<Buffer>, LARGEST_ANSWER, "an answer of S3")).toString();
}

/** Over plain HTTP the bytes themselves are signed too: the server refuses what changed on its way. */
async function sign(settings: S3Settings, cache: Map<string, ArrayBuffer>, request: S3Request, secure: boolean) {
  const url = urlOf(settings, request);
  const body = request.body ?? [];
  const headers: Record<string, string> = { ...request.headers };
  headers["x-amz-content-sha256"] = secure && body.length > 0 ? "UNSIGNED-PAYLOAD" : sha256(body);
  if (request.method === "PUT" || request.method === "POST") headers["content-length"] = String(body.reduce((sum, chunk) => sum + chunk.length, 0));
  const signer = new AwsV4Signer({ method: request.method, url: url.href, headers, service: "s3", region: settings.region, cache, ...(await settings.credentials()) });
  const signed = await signer.sign();
  return { url: signed.url, headers: Object.fromEntries(signed.headers as unknown as Iterable<[string, string]>) };
}

function sha256(chunks: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

export function urlOf({ endpoint, bucket, prefix, pathStyle }: S3Settings, { key, query }: S3Request): URL {
  const url = new URL(endpoint);
  if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`;
  const path = key === undefined ? "" : (prefix + key).split("/").map(encodeURIComponent).join("/");
  url.pathname = pathStyle ? `/${bucket}${key === undefined ? "" : `/${path}`}` : `/${path}`;
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  // As it is signed.
  url.search = url.search.replaceAll("+", "%20");
  return url;
}
