/**
 * gRPC over HTTP/2, on connections that somebody else has made: one that was upgraded from HTTP/1.1, or one that was handed
 * over and on whose other end the *client program* is the server. Messages are tables (protobuf.ts); there is no compression.
 *
 *     const solve = method("/moby.buildkit.v1.Control/Solve", solveRequest, solveResponse);
 *     const connection = serveGrpc(socket, { find: served([unary(solve, async (request, call) => ({ … }))]) });
 *
 *     const client = openGrpcClient(socket);
 *     const { username } = await client.unary(credentials, { host: "docker.io" }, { signal });
 *     const call = client.stream(diffCopy, { metadata: { "dir-name": ["context"] }, signal });
 *     await call.send({ … }); call.end(); for await (const packet of call.messages) …
 *
 * What it holds to: a message is at most `maxMessage` bytes (16 MiB) and is refused by its length before it is read; what
 * waits to be read is bounded by HTTP/2's windows (STREAM_WINDOW a stream, MAX_STREAMS streams); `send` resolves when there
 * is room; a call's signal is aborted when the other side cancels, its deadline passes or the connection ends. Failures
 * become status codes, and status codes failures, by the table in status.ts.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import type { Message } from "../protobuf.ts";

export { openGrpcClient } from "./client.ts";
export { bidirectional, type BidirectionalCall, serveGrpc, served, type Served, serverStream, unary } from "./server.ts";
export { MAX_MESSAGE, MAX_STREAMS, STREAM_WINDOW } from "./limits.ts";
export { CODES, failureOf, statusMessage, statusOf, type Status, type StatusDetail } from "./status.ts";

export type Method<Request, RequestIn, Response, ResponseIn> = {
  /** "/package.Service/Method" */
  readonly path: string;
  readonly request: Message<Request, RequestIn>;
  readonly response: Message<Response, ResponseIn>;
};

export const method = <A, B, C, D>(path: string, request: Message<A, B>, response: Message<C, D>): Method<A, B, C, D> => ({ path, request, response });

/** Names in lower case; a name may come several times. Values are printable ASCII. */
export type Metadata = Readonly<Record<string, readonly string[]>>;

export type ServerCall = {
  readonly metadata: Metadata;
  /** Aborted when nobody waits for the answer any more. Its reason is a Failure. */
  readonly signal: AbortSignal;
  /** What the client sent, framed messages' contents, in order. To be read once. */
  readonly messages: AsyncIterable<Buffer>;
  /** Sends metadata at once, before there is a message. */
  head(metadata: Metadata): void;
  /** A message with five bytes of headroom. Resolves when there is room for more. @throws cancelled when the client is gone */
  send(framed: Buffer): Promise<void>;
};

export type Handler = (call: ServerCall) => Promise<void>;

export type ServerOptions = {
  find(path: string): Handler | undefined;
  readonly maxMessage?: number;
  /** Told of what handlers threw that is nobody's doing. */
  readonly failed?: (path: string, error: unknown) => void;
};

export type GrpcConnection = {
  /** Resolves when the connection is gone, whyever. */
  readonly closed: Promise<void>;
  close(): void;
};

export type CallOptions = { readonly metadata?: Metadata; readonly signal?: AbortSignal };

export type GrpcClient = GrpcConnection & {
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** @throws by the status that the server gave; unavailable when the connection is gone */
  unary<A, B, C, D>(method: Method<A, B, C, D>, request: B, options?: CallOptions): Promise<C>;
  stream<A, B, C, D>(method: Method<A, B, C, D>, options?: CallOptions): ClientCall<B, C>;
  /** @throws unavailable when the other side does not answer to HTTP/2's ping */
  ping(deadlineMs: number): Promise<void>;
};

export type ClientCall<Request, Response> = {
  /** Resolves when there is room for more. What is sent after the server has ended the call is dropped: `messages` says why. */
  send(message: Request): Promise<void>;
  /** No more will be sent. */
  end(): void;
  /** To be read once, to its end. @throws by the status that the server gave */
  readonly messages: AsyncIterable<Response>;
  /** The same, instead: as many at a time as have come. */
  readonly batches: AsyncIterable<readonly Response[]>;
  /** What the answer is headed with: known from the first message on. */
  head(name: string): string | undefined;
  cancel(): void;
};
