/** For tests: a DNS server on the loopback, UDP and TCP on one port. */
import { createSocket } from "node:dgram";
import { createServer, type AddressInfo } from "node:net";
import { read, reply, type Reply } from "./message-fixture.ts";

export type Asked = { readonly question: string; readonly id: number; readonly tcp: boolean; readonly port: number };
export type Server = AsyncDisposable & { readonly port: number; readonly asked: Asked[] };
/** undefined: silence. Bytes go as they are. */
export type Script = (asked: Asked, query: Buffer) => Reply | Buffer | undefined;

export async function openServer(script: Script, address = "127.0.0.1", port = 0): Promise<Server> {
  const asked: Asked[] = [];
  const answer = (query: Buffer, from: { port: number; tcp: boolean }): Buffer | undefined => {
    const told = read(query);
    const one = { question: told.questions[0]!, id: told.id, ...from };
    asked.push(one);
    const said = script(one, query);
    return said === undefined || Buffer.isBuffer(said) ? said : reply(query, said);
  };
  const stream = createServer((socket) => {
    socket.on("error", () => {}).on("data", (chunk: Buffer) => {
      const said = answer(chunk.subarray(2), { port: socket.remotePort!, tcp: true });
      if (said !== undefined) socket.write(Buffer.concat([Buffer.from([said.length >> 8, said.length & 255]), said]));
    });
  });
  await new Promise<void>((resolve) => stream.listen(port, address, resolve));
  const bound = (stream.address() as AddressInfo).port;
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(bound, address, resolve));
  socket.on("message", (query, from) => {
    const said = answer(query, { port: from.port, tcp: false });
    if (said !== undefined) socket.send(said, from.port, from.address);
  });
  return {
    port: bound,
    asked,
    async [Symbol.asyncDispose]() {
      socket.close();
      stream.close();
    },
  };
}
