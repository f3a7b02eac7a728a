/** Makes an Api of an endpoint: negotiates the version, keeps one connection for the next request, words failures. */
import type { Duplex } from "node:stream";
import { Failure, fail, type Kind } from "#base/errors.ts";
import type { Answer, Api, Query, RequestOptions } from "./connect.ts";
import { dial } from "./dial.ts";
import type { Endpoint } from "./endpoint.ts";
import { exchange, type Request, upgrade } from "./http.ts";

/** The newest version of the API this client speaks. */
export const NEWEST = "1.56";
/** What an engine speaks that does not say. */
const OLDEST = "1.24";
/** Milliseconds a connection may rest before it is used again: an engine closes those that rest for long. */
const MAX_IDLE = 1000;

export type OpenOptions = {
  readonly userAgent: string;
  readonly headers: Readonly<Record<string, string>>;
  /** DOCKER_API_VERSION: no negotiation. */
  readonly version?: string;
  /** False: nothing is asked of the engine first, and paths go without a version. For what has versions of its own. */
  readonly negotiates?: false;
  /** Brings Gantry's engine up when its own socket is not there; resolves when it answers. */
  readonly startEngine?: () => Promise<void>;
};

export async function openApi(endpoint: Endpoint, options: OpenOptions): Promise<Api> {
  const idle: { socket: Duplex; since: number }[] = [];
  const headers: Record<string, string> = {
    Host: endpoint.transport === "tcp" ? authority(endpoint.name, endpoint.port) : "api.gantry.localhost",
    "User-Agent": options.userAgent,
    ...options.headers,
  };
  const base = endpoint.transport === "tcp" ? endpoint.base : "";
  const connect = async (signal?: AbortSignal): Promise<Duplex> => {
    for (let each = idle.pop(); each !== undefined; each = idle.pop()) {
      if (!each.socket.destroyed && Date.now() - each.since < MAX_IDLE) return each.socket;
      each.socket.destroy();
    }
    return dial(endpoint, signal);
  };
  const engine = { os: "linux", experimental: false, version: NEWEST };
  let version = options.version ?? NEWEST;
  const prefix = () => (options.negotiates === false ? base : `${base}/v${version}`);

  const prepare = (method: string, target: string, request: RequestOptions): Request => ({
    method,
    target,
    headers: {
      ...headers,
      ...(request.json === undefined ? {} : { "Content-Type": "application/json" }),
      ...(request.upload === undefined ? {} : { "Content-Type": "application/x-tar" }),
      ...request.headers,
    },
    ...(request.repeated === undefined ? {} : { repeated: request.repeated }),
    ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
    ...(request.upload === undefined ? {} : { upload: request.upload }),
  });

  const sendRaw = async (method: string, target: string, request: RequestOptions = {}): Promise<Answer> => {
    const socket = await connect(request.signal);
    const stop = () => socket.destroy(fail("cancelled", "context canceled"));
    request.signal?.addEventListener("abort", stop, { once: true });
    try {
      const answer = await exchange(socket, prepare(method, target, request));
      const keep = () => {
        request.signal?.removeEventListener("abort", stop);
        if (answer.reusable()) idle.push({ socket, since: Date.now() });
        else socket.destroy();
      };
      return { status: answer.status, headers: answer.headers, body: afterwards(answer.body, keep) };
    } catch (error) {
      socket.destroy();
      throw lost(error);
    }
  };

  const send = async (method: string, path: string, request: RequestOptions = {}): Promise<Answer> => {
    const answer = await sendRaw(method, `${prefix()}${path}${queryOf(request.query)}`, request);
    if (answer.status >= 400) throw await refusal(answer, path);
    return answer;
  };
  const text = async (method: string, path: string, request?: RequestOptions) =>
    (await gather((await send(method, path, request)).body)).toString();

  const hijack = async (path: string, request: RequestOptions = {}): Promise<Duplex> => {
    const socket = await connect(request.signal);
    const target = `${prefix()}${path}${queryOf(request.query)}`;
    const head = await upgrade(socket, prepare("POST", target, request)).catch((error: unknown) => {
      socket.destroy();
      throw lost(error);
    });
    if (head.status === 101 || head.status === 200) return socket;
    const chunks: Buffer[] = [];
    const length = Number(head.headers["content-length"] ?? Number.POSITIVE_INFINITY);
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer);
      if (chunks.reduce((sum, each) => sum + each.length, 0) >= length) break;
    }
    socket.destroy();
    throw refuse(head.status, Buffer.concat(chunks).toString(), head.headers, path);
  };

  /** Gantry's own socket has Gantry's own engine behind it: nothing to negotiate, and so no round trip. */
  const negotiate = async () => {
    if (options.version !== undefined || options.negotiates === false || endpoint.isDefault) return (await connect()) as Duplex;
    let answer = await sendRaw("HEAD", `${base}/_ping`);
    await gather(answer.body);
    if (answer.status >= 400 || answer.headers["api-version"] === undefined) {
      answer = await sendRaw("GET", `${base}/_ping`);
      await gather(answer.body);
    }
    const theirs = answer.headers["api-version"] ?? OLDEST;
    engine.version = theirs;
    engine.os = answer.headers["ostype"] ?? "linux";
    engine.experimental = answer.headers["docker-experimental"] === "true";
    version = isBelow(theirs, NEWEST) ? theirs : NEWEST;
    return undefined;
  };
  const first = await startWhenAbsent(endpoint, options, negotiate);
  if (first !== undefined) idle.push({ socket: first, since: Date.now() });

  return {
    get version() {
      return version;
    },
    engine,
    address: endpoint.host,
    atLeast: (other) => !isBelow(version, other),
    send,
    text,
    json: async <T>(method: string, path: string, request?: RequestOptions) => {
      const body = await text(method, path, request);
      return (body === "" ? undefined : JSON.parse(body)) as T;
    },
    hijack,
    close: () => {
      for (const each of idle.splice(0)) each.socket.destroy();
    },
  };
}

/** A connection that broke before the answer came. */
function lost(error: unknown): unknown {
  if (error instanceof Failure) return error.facts["eof"] ? fail("unavailable", "error during connect: EOF", { cause: error }) : error;
  const { reason, message } = error as Error & { reason?: string };
  return fail("unavailable", `error during connect: ${reason ?? message}`, { cause: error });
}

async function startWhenAbsent<T>(endpoint: Endpoint, options: OpenOptions, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as { facts?: { code?: string } }).facts?.code;
    const absent = code === "ENOENT" || code === "ECONNREFUSED";
    if (!absent || !endpoint.isDefault || options.startEngine === undefined) throw error;
    await options.startEngine();
    return work();
  }
}

export async function gather(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

export function isBelow(version: string, other: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return major !== otherMajor ? major < otherMajor : minor < otherMinor;
}

async function* afterwards(body: AsyncGenerator<Buffer, void, void>, act: () => void): AsyncGenerator<Buffer, void, void> {
  try {
    yield* body;
  } finally {
    act();
  }
}

function queryOf(query: Query | undefined): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === false || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value === true ? "1" : String(value)]) {
      parts.push(`${name}=${encodeURIComponent(each)}`);
    }
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

async function refusal(answer: Answer, path: string): Promise<Error> {
  return refuse(answer.status, (await gather(answer.body)).toString(), answer.headers, path);
}

const KINDS: Readonly<Record<number, Kind>> = {
  304: "not-modified",
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  501: "not-implemented",
  503: "unavailable",
};

function refuse(status: number, body: string, headers: Answer["headers"], path: string): Error {
  const kind = KINDS[status] ?? (status < 500 ? "invalid" : "internal");
  return fail(kind, `Error response from daemon: ${reason(status, body, headers, path)}`, { facts: { httpStatus: status } });
}

function reason(status: number, body: string, headers: Answer["headers"], path: string): string {
  if (/json/.test(headers["content-type"] ?? "")) {
    try {
      const { message } = JSON.parse(body) as { message?: unknown };
      if (typeof message === "string" && message !== "") return message.trim();
    } catch {
      // Not JSON after all: shown as it is.
    }
  }
  if (body.trim() !== "") return body.trim();
  return `request returned ${status} for API route ${path}, check if the server supports the requested API version`;
}

function authority(name: string, port: number): string {
  return name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`;
}
