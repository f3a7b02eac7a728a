/**
 * Asks the resolver of a container for the addresses of many names at once, and prints {"name": ["address", …] | null}; null: no answer.
 *
 *     nsenter --net=/proc/PID/ns/net node test/chaos/ask.ts web db …
 */
import { createSocket } from "node:dgram";

const names = process.argv.slice(2);
const answers = new Map<string, string[] | null>(names.map((name) => [name, null]));
const socket = createSocket("udp4");

socket.on("message", (packet) => {
  const name = names[packet.readUInt16BE(0)];
  if (name !== undefined) answers.set(name, addressesIn(packet));
  if (![...answers.values()].includes(null)) done();
});
socket.bind(0, () => {
  // A lost packet is asked for again, as every resolver does.
  for (const after of [0, 700, 2000, 4000]) setTimeout(askMissing, after);
  setTimeout(done, 8000);
});

function askMissing(): void {
  for (const [id, name] of names.entries()) if (answers.get(name) === null) socket.send(question(id, name), 53, "127.0.0.11");
}

function done(): void {
  process.stdout.write(JSON.stringify(Object.fromEntries(answers)), () => process.exit(0));
}

/** One question of class IN, type A, recursion desired. */
function question(id: number, name: string): Buffer {
  const labels = name.split(".").flatMap((label) => [Buffer.of(label.length), Buffer.from(label)]);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id);
  head.writeUInt16BE(0x0100, 2);
  head.writeUInt16BE(1, 4);
  return Buffer.concat([head, ...labels, Buffer.of(0, 0, 1, 0, 1)]);
}

function addressesIn(packet: Buffer): string[] {
  let at = skipName(packet, 12) + 4;
  return Array.from({ length: packet.readUInt16BE(6) }, () => {
    at = skipName(packet, at);
    const type = packet.readUInt16BE(at);
    const length = packet.readUInt16BE(at + 8);
    at += 10 + length;
    return type === 1 ? [...packet.subarray(at - length, at)].join(".") : "";
  }).filter((address) => address !== "");
}

function skipName(packet: Buffer, from: number): number {
  let at = from;
  while (packet[at] !== 0 && (packet[at]! & 0xc0) !== 0xc0) at += packet[at]! + 1;
  return at + (packet[at] === 0 ? 1 : 2);
}
