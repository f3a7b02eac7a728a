/**
 * BuildKit's doors: what `docker buildx`, Compose and our own client build through. A client opens two connections that
 * leave HTTP/1.1: on POST /grpc the engine serves BuildKit's control service; on POST /session it is the client that serves
 * (its files, secrets, credentials, where outputs go), and the engine that asks. POST /build?version=2 is the older way in:
 * one request, with a session beside it, and progress as lines of JSON.
 *
 *     const buildkit = openBuildKit({ builds, worker, log });
 *     buildkit.session(call); buildkit.grpc(call); await buildkit.build(call);
 *     …
 *     buildkit.close();
 *
 * This folder and spec/buildkit alone know BuildKit's protocol: a request becomes a BuildRequest (solve-request.ts), a
 * session a BuildClient (client.ts), events a status stream (status-feed.ts), a failure a status with the Dockerfile's lines
 * (failure.ts). A graph of a client's own (LLB) is refused, but for one that stands for an address (remote-graph.ts): there is
 * one way to say what a build does, and it is checked.
 */
import type { Duplex } from "node:stream";
import type { Log } from "#base/log.ts";
import type { Platform } from "#spec/platform.ts";
import type { Builds } from "../../../builds/builds.ts";
import type { ApiCall, Answer } from "../../answer.ts";

export { openBuildKit } from "./open-buildkit.ts";

export type BuildKitParts = {
  readonly builds: Builds;
  /** What is told of this machine as a worker. */
  readonly worker: () => Worker;
  readonly log: Log;
};

export type Worker = {
  readonly id: string;
  readonly version: string;
  readonly platforms: readonly Platform[];
  /** What host-gateway means to a build. */
  readonly hostGateway: string | undefined;
};

export type BuildKit = {
  session(call: ApiCall): Promise<Answer>;
  grpc(call: ApiCall): Promise<Answer>;
  /** The same on a connection that spoke HTTP/2 from the beginning, as buildctl's and buildx's remote driver do. */
  connection(stream: Duplex): void;
  /** POST /build?version=2 */
  build(call: ApiCall): Promise<Answer>;
  /** POST /build/cancel?id=…: nothing happens when no such build is under way. */
  cancel(ref: string): void;
  close(): void;
};
