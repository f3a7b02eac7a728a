/**
 * One question and its answer. The connection is the exchange's own; a deadline runs from its first attempt to connect
 * to the answer's last byte, so that neither silence nor one byte a second holds anybody up for longer.
 *
 * While nobody listens, it is tried again with growing pauses: plugins are restarted, too. A question that has been sent
 * is never sent twice.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { Failure, fail, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Address } from "./address.ts";

export type ExchangeOptions = {
  readonly address: Address;
  /** "VolumeDriver.Create" */
  readonly method: string;
  /** undefined: no body. */
  readonly body?: string;
  readonly deadlineMs: number;
  /** How long to try to connect; 0: once. */
  readonly connectMs: number;
  readonly log: Log;
};

/** Docker's version of the protocol. */
const ACCEPT = "application/vnd.docker.plugins.v1.2+json";
const LARGEST_ANSWER = 4 << 20;
const LONGEST_TEXT = 4096;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const NOBODY_THERE = new Set(["ECONNREFUSED", "ENOENT", "EHOSTUNREACH", "ENETUNREACH"]);

/** The text of the answer. @throws internal, with Docker's texts; the fact `unanswered` when nobody has answered, or not in time */
export async function exchange(options: ExchangeOptions): Promise<string> {
  const signal = AbortSignal.timeout(options.deadlineMs);
  const giveUp = Date.now() + Math.min(options.connectMs, options.deadlineMs);
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    try {
      return await ask(options, signal);
    } catch (error) {
      if (!isNobody(error) || Date.now() + wait >= giveUp) throw toFailure(error, options, signal);
      options.log.warn("connect to a plugin: trying again", { plugin: options.address.text, error: messageOf(error) });
      await pause(wait);
    }
  }
}

async function ask({ address, method, body = "" }: ExchangeOptions, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { accept: ACCEPT, host: address.kind === "unix" ? "localhost" : address.host, "content-length": Buffer.byteLength(body) };
  const request = openRequest(address, { method: "POST", path: `/${method}`, headers, agent: false, signal }, resolve);
  request.once("error", reject).end(body);
  try {
    const response = await promise;
    const text = await readBounded(response);
    if (response.statusCode === 200) return text;
    throw fail("internal", `${method}: ${errorIn(text)}`, { facts: { said: true } });
  } finally {
    // Whatever more it sends, nobody reads.
    request.on("error", () => {}).destroy();
  }
}

function openRequest(address: Address, options: RequestOptions, answered: (response: IncomingMessage) => void): ClientRequest {
  if (address.kind === "unix") return process.getBuiltinModule("node:http").request({ ...options, socketPath: address.path }, answered);
  const place = { ...options, host: address.host, port: address.port };
  if (address.tls === undefined) return process.getBuiltinModule("node:http").request(place, answered);
  const { unchecked, ...identity } = address.tls;
  return process.getBuiltinModule("node:https").request({ ...place, ...identity, rejectUnauthorized: !unchecked }, answered);
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > LARGEST_ANSWER) throw fail("internal", `answer of more than ${LARGEST_ANSWER} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** Newer plugins say in `Err` what is wrong, older ones in plain text. */
function errorIn(text: string): string {
  try {
    const { Err } = JSON.parse(text) as { Err?: unknown };
    if (typeof Err === "string" && Err !== "") return Err.slice(0, LONGEST_TEXT);
  } catch {
    // Plain text.
  }
  return text.trim().slice(0, LONGEST_TEXT);
}

/** It may have done what it was asked, and may hang again. */
export const isUnanswered = (error: unknown): boolean => error instanceof Failure && error.facts["unanswered"] === true;

const codeOf = (error: unknown) => (error as { code?: string }).code ?? "";
const isNobody = (error: unknown) => NOBODY_THERE.has(codeOf(error));

function toFailure(error: unknown, { address, method }: ExchangeOptions, signal: AbortSignal): Failure {
  if (error instanceof Failure) return error;
  const scheme = address.kind === "tcp" && address.tls !== undefined ? "https" : "http";
  const host = address.kind === "unix" ? encodeURIComponent(address.path) : `${address.host}:${address.port}`;
  return fail("internal", `Post "${scheme}://${host}/${method}": ${reasonOf(error, address, signal)}`, { cause: error, facts: { unanswered: true } });
}

/** Go's words, which are what users of plugins look for. */
function reasonOf(error: unknown, address: Address, signal: AbortSignal): string {
  if (signal.aborted) return "context deadline exceeded";
  const place = address.kind === "unix" ? `unix ${address.path}` : `tcp ${address.host}:${address.port}`;
  const code = codeOf(error);
  if (code === "ECONNREFUSED") return `dial ${place}: connect: connection refused`;
  if (code === "ENOENT") return `dial ${place}: connect: no such file or directory`;
  if (code === "ECONNRESET" || code === "EPIPE") return "EOF";
  if (code.startsWith("HPE_")) return "malformed HTTP response";
  return messageOf(error);
}
