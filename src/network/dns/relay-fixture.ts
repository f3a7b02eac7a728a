/**
 * For tests, run inside a container's network namespace: asks the resolver there what it is told on stdin. A line is
 * "<number> <udp|tcp|cut> <hex of a message> …"; so is the answer: "<number> <hex> …". tcp: all on one connection, as many
 * answers as questions or until its end; cut: the bytes in pieces; no answer within a while: "-".
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const RESOLVER = "127.0.0.11";
const PATIENCE_MS = 1500;

const say = (number: string, answers: readonly Buffer[]) => process.stdout.write(`${number} ${answers.length === 0 ? "-" : answers.map((one) => one.toString("hex")).join(" ")}\n`);

function askUdp(number: string, message: Buffer): void {
  const socket = createSocket("udp4");
  const end = (answers: readonly Buffer[]) => {
    clearTimeout(timer);
    socket.close();
    say(number, answers);
  };
  const timer = setTimeout(end, PATIENCE_MS, []);
  socket.on("message", (answer) => end([answer])).on("error", () => end([]));
  socket.connect(53, RESOLVER, () => socket.send(message));
}

function askTcp(number: string, messages: readonly Buffer[], pieces: boolean): void {
  const socket = connect({ host: RESOLVER, port: 53, noDelay: true });
  let input = Buffer.alloc(0);
  const answers: Buffer[] = [];
  const end = () => {
    clearTimeout(timer);
    socket.destroy();
    say(number, answers.splice(0));
  };
  const timer = setTimeout(end, PATIENCE_MS);
  socket.once("close", () => answers.length > 0 && end()).on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
    while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
      answers.push(input.subarray(2, 2 + input.readUInt16BE(0)));
      input = input.subarray(2 + input.readUInt16BE(0));
    }
    if (answers.length >= messages.length) end();
  });
  const bytes = Buffer.concat(messages.flatMap((message) => [Buffer.from([message.length >> 8, message.length & 255]), message]));
  if (pieces) void sendSlowly(bytes, (piece) => socket.write(piece));
  else socket.write(bytes);
}

async function sendSlowly(bytes: Buffer, write: (piece: Buffer) => void): Promise<void> {
  for (const byte of bytes) {
    write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const [number = "", way, ...hex] = line.split(" ");
  const messages = hex.map((one) => Buffer.from(one, "hex"));
  if (way === "udp") askUdp(number, messages[0]!);
  else askTcp(number, messages, way === "cut");
}
