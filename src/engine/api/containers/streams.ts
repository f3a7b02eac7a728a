/** /containers: attach, logs, wait: answers that last. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { join } from "#base/http-hijack.ts";
import { acceptWebSocket } from "#base/websocket.ts";
import type { Answer, ApiCall, ApiRoute } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { drain } from "../body.ts";
import { flag, nanos, text } from "../query.ts";
import { begin, writeChunk } from "../streaming.ts";
import { joinFrames, withoutFrames } from "./frames.ts";
import type { LogOptions } from "../../engine.ts";

export const RAW = "application/vnd.docker.raw-stream";
export const MULTIPLEXED = "application/vnd.docker.multiplexed-stream";

export function containerStreamRoutes({ containers, log }: ApiParts): ApiRoute[] {
  async function attach(call: ApiCall): Promise<Answer> {
    const { query } = call;
    const record = containers.get(call.params["id"]!);
    await drain(call.request);
    const detachKeys = text(query, "detachKeys");
    const input = flag(query, "stdin");
    const process = await containers.attach(record.id, {
      stdin: input,
      stdout: flag(query, "stdout"),
      stderr: flag(query, "stderr"),
      logs: flag(query, "logs"),
      stream: flag(query, "stream"),
      ...(detachKeys === "" ? {} : { detachKeys }),
      signal: call.signal,
    });
    const client = call.hijack(streamType(call, record.config.Tty));
    await join(client, process, { input });
    return undefined;
  }

  /** The same over WebSocket: bytes alone, which stream they come from is not told. */
  async function attachWebSocket(call: ApiCall): Promise<Answer> {
    const { query, version } = call;
    const record = containers.get(call.params["id"]!);
    const wants = (stream: string) => version < 42 || flag(query, stream);
    const detachKeys = text(query, "detachKeys");
    const process = await containers.attach(record.id, {
      stdin: wants("stdin"),
      stdout: wants("stdout"),
      stderr: wants("stderr"),
      logs: flag(query, "logs"),
      stream: flag(query, "stream"),
      ...(detachKeys === "" ? {} : { detachKeys }),
      signal: call.signal,
    });
    await join(acceptWebSocket(call), record.config.Tty ? process : withoutFrames(process), { input: wants("stdin") });
    return undefined;
  }

  async function logs(call: ApiCall): Promise<Answer> {
    const options = logOptions(call);
    const record = containers.get(call.params["id"]!);
    const chunks = await containers.logs(record.id, options);
    begin(call, call.version >= 42 && !record.config.Tty ? MULTIPLEXED : RAW);
    // Who asks for times may take each frame for an entry.
    const pack = record.config.Tty || options.timestamps || options.details ? (chunk: Buffer) => chunk : joinFrames;
    try {
      for await (const chunk of chunks) if (!(await writeChunk(call, pack(chunk)))) return;
    } catch (error) {
      if (call.signal.aborted || kindOf(error) === "cancelled") return void call.response.destroy();
      log.error("logs broke off", { container: record.id, error: messageOf(error) });
      await writeChunk(call, systemFrame(`Error grabbing logs: ${messageOf(error)}\n`, record.config.Tty));
    }
    call.response.end();
    return undefined;
  }

  async function wait(call: ApiCall): Promise<Answer> {
    const condition = conditionOf(call);
    const record = containers.get(call.params["id"]!);
    // Registered before the client hears of it: `docker run` starts the container as soon as it has the headers.
    const exit = containers.wait(record.id, condition, call.signal);
    if (call.version >= 30) begin(call, "application/json");
    try {
      const { code, error } = await exit;
      const json = `${JSON.stringify({ StatusCode: code, ...(error === undefined ? {} : { Error: { Message: error } }) })}\n`;
      if (!call.response.headersSent) call.response.writeHead(200, { "Content-Type": "application/json" });
      call.response.end(json);
    } catch (error) {
      if (!call.signal.aborted) throw error;
    }
    return undefined;
  }

  return [
    { method: "POST", path: "/containers/{id}/attach", hijack: true, run: attach },
    { method: "GET", path: "/containers/{id}/attach/ws", hijack: true, run: attachWebSocket },
    { method: "GET", path: "/containers/{id}/logs", run: logs },
    { method: "POST", path: "/containers/{id}/wait", run: wait },
  ];
}

/** Frames are told from raw bytes by the content type since 1.42, and only to who upgraded. */
export function streamType(call: ApiCall, terminal: boolean): string {
  return call.upgrade && call.version >= 42 && !terminal ? MULTIPLEXED : RAW;
}

function logOptions(call: ApiCall): LogOptions {
  const { query } = call;
  const [stdout, stderr] = [flag(query, "stdout"), flag(query, "stderr")];
  if (!stdout && !stderr) throw fail("invalid", "Bad parameters: you must choose at least one stream");
  const [since, until, tail] = [nanos(query, "since"), nanos(query, "until"), tailOf(text(query, "tail"))];
  return {
    stdout,
    stderr,
    follow: flag(query, "follow"),
    timestamps: flag(query, "timestamps"),
    details: flag(query, "details"),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined || until === 0n ? {} : { until }),
    ...(tail === undefined ? {} : { tail }),
    signal: call.signal,
  };
}

/** What is no number means all, as in Docker. */
function tailOf(value: string): number | undefined {
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

function conditionOf({ query, version }: ApiCall): "not-running" | "next-exit" | "removed" {
  const value = version < 30 ? "" : text(query, "condition");
  switch (value) {
    case "":
    case "not-running":
      return "not-running";
    case "next-exit":
    case "removed":
      return value;
  }
  throw fail("invalid", `invalid condition: ${JSON.stringify(value)}`);
}

/** Frame type 3: the client makes an error of it. */
function systemFrame(message: string, terminal: boolean): Buffer {
  const payload = Buffer.from(message);
  if (terminal) return payload;
  const head = Buffer.alloc(8);
  head[0] = 3;
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}
