/** Ports that a shim holds for its container: changed while it runs, free at its end. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { openStage } from "./shim-fixture.ts";
import type { PortSocket } from "./shim.ts";

/** EADDRINUSE, or "free" of a TCP port of 127.0.0.1. */
async function stateOf(port: number): Promise<string> {
  const server = createServer();
  const state = await new Promise<string>((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    server.listen(port, "127.0.0.1", () => resolve("free"));
  });
  server.close();
  return state;
}

/** One that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

const refusedWith = (code: string) => (error: unknown) => error instanceof Failure && error.facts["code"] === code;
const tcp = (port: number): PortSocket => ({ family: 2, type: 1, port, address: "127.0.0.1" });

test("a shim holds the ports that it is told, and no others; refused, it holds what it held", { skip: process.getuid?.() !== 0 && "needs root" }, async () => {
  await using stage = await openStage();
  const [born, added, taken] = [await freePort(), await freePort(), await freePort()];
  const reserve = { op: "bindPort", slot: 30, family: 2, type: 1, port: born, address: "127.0.0.1" } as const;
  await using launched = await stage.launch({ sh: "sleep 1000", before: [reserve], hold: 1n << 30n });
  const { shim } = launched;
  await shim.start();
  assert.equal(await stateOf(born), "EADDRINUSE");

  await shim.hold([tcp(born), tcp(added), { family: 2, type: 2, port: added, address: "127.0.0.1" }]);
  assert.deepEqual([await stateOf(born), await stateOf(added)], ["EADDRINUSE", "EADDRINUSE"]);
  const udp = createSocket("udp4");
  udp.bind(added, "127.0.0.1");
  const [refused] = (await once(udp, "error")) as [NodeJS.ErrnoException];
  assert.equal(refused.code, "EADDRINUSE");
  udp.close();

  const other = createServer();
  other.listen(taken, "127.0.0.1");
  await once(other, "listening");
  await assert.rejects(shim.hold([tcp(added), tcp(taken)]), refusedWith("EADDRINUSE"));
  assert.deepEqual([await stateOf(born), await stateOf(added)], ["EADDRINUSE", "EADDRINUSE"]);
  other.close();
  await assert.rejects(shim.hold([{ ...tcp(added), address: "nowhere" }]), refusedWith("EINVAL"));

  await shim.hold([tcp(added)]);
  assert.deepEqual([await stateOf(born), await stateOf(added)], ["free", "EADDRINUSE"]);
  await shim.signal("", 9);
  await launched.event("exited");
  assert.equal(await stateOf(added), "free");
});
