/** For tests: an HTTP proxy that knows where the names of a test are, none of which exist anywhere else. */
import { createServer, request } from "node:http";
import { connect, type AddressInfo } from "node:net";

export type TestProxy = {
  /** "http://127.0.0.1:PORT" */
  readonly url: string;
  /** "CONNECT registry.example:443", "GET http://…": as they came. */
  readonly asked: string[];
  readonly authorizations: (string | undefined)[];
};

/** `places`: "registry.example:443" → "127.0.0.1:PORT". */
export async function openTestProxy(t: { after(end: () => void): void }, places: Readonly<Record<string, string>>): Promise<TestProxy> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url!);
    asked.push(`${incoming.method} ${url.href}`);
    authorizations.push(incoming.headers["proxy-authorization"]);
    const place = places[`${url.hostname}:${url.port || 80}`];
    if (place === undefined) return void outgoing.writeHead(502).end();
    const [host, port] = place.split(":");
    const passed = request({ host, port, method: incoming.method, path: url.pathname + url.search, headers: incoming.headers }, (answer) => answer.pipe(outgoing.writeHead(answer.statusCode!, answer.headers)));
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  server.on("connect", (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    authorizations.push(incoming.headers["proxy-authorization"]);
    const place = places[incoming.url!];
    if (place === undefined) return void socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    const [host, port] = place.split(":");
    const other = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      other.pipe(socket).pipe(other);
    });
    other.on("error", () => socket.destroy());
    socket.on("error", () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, authorizations };
}
