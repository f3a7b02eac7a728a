import type { Duplex } from "node:stream";
import { fail, messageOf } from "#base/errors.ts";
import { serveGrpc, served, type GrpcConnection } from "#base/grpc/grpc.ts";
import type { BuildKit, BuildKitParts } from "./buildkit.ts";
import { buildInOne } from "./build-in-one.ts";
import { controlMethods } from "./control.ts";
import { openJobs } from "./jobs.ts";
import { openSessions, sessionHeaders } from "./sessions.ts";

const MAX_CONNECTIONS = 500;

export function openBuildKit(parts: BuildKitParts): BuildKit {
  const sessions = openSessions();
  const jobs = openJobs();
  const connections = new Set<GrpcConnection>();
  const find = served(controlMethods(parts, sessions, jobs));
  const failed = (path: string, error: unknown) => parts.log.debug("build: a call failed", { path, error: messageOf(error), stack: error instanceof Error ? error.stack : undefined });
  function serve(stream: Duplex): void {
    const connection = serveGrpc(stream, { find, failed });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  }

  return {
    async session(call) {
      const headers = sessionHeaders(call.request);
      if (!call.upgrade) throw fail("invalid", "a session is an upgrade of the connection: Connection: Upgrade, Upgrade: h2c");
      sessions.check(headers);
      const connection = call.upgradeTo("h2c", {});
      sessions.open(connection, headers);
      return undefined;
    },
    async grpc(call) {
      if (!call.upgrade) throw fail("invalid", "gRPC is an upgrade of the connection: Connection: Upgrade, Upgrade: h2c");
      if (connections.size >= MAX_CONNECTIONS) throw fail("unavailable", `there are ${MAX_CONNECTIONS} connections of builders already`);
      serve(call.upgradeTo("h2c", {}));
      return undefined;
    },
    connection(stream) {
      if (connections.size >= MAX_CONNECTIONS) stream.destroy();
      else serve(stream);
    },
    build: (call) => buildInOne(parts, sessions, jobs, call),
    cancel: (ref) => jobs.find(ref)?.abort.abort(fail("cancelled", "context canceled")),
    close() {
      sessions.close();
      for (const connection of connections) connection.close();
    },
  };
}
