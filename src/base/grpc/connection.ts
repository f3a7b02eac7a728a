/** Connections as node:http2 can take them. */
import { Duplex } from "node:stream";

/**
 * Node reads what came early (with the request that was upgraded) in the next turn, and fails there, where nobody can catch
 * it, when the session is gone by then. Behind a stream of its own nothing has come early.
 */
export function calm(connection: Duplex): Duplex {
  return connection.readableLength === 0 ? connection : relayed(connection);
}

function relayed(connection: Duplex): Duplex {
  let joined = false;
  const stream = new Duplex({
    read: () => void (joined && connection.resume()),
    write: (chunk: Buffer, _, done) => void connection.write(chunk, done),
    final: (done) => void connection.end(done),
    destroy(error, done) {
      connection.destroy();
      done(error);
    },
  });
  stream.on("error", () => {});
  connection.pause();
  setImmediate(() => {
    joined = true;
    connection.on("data", (chunk: Buffer) => void (stream.push(chunk) || connection.pause()));
    connection.once("end", () => stream.push(null));
    connection.resume();
  });
  connection.on("error", () => stream.destroy());
  connection.once("close", () => stream.destroy());
  return stream;
}
