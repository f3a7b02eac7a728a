/** From a request to its handler and back: versions, headers, routes, errors. */
import { Failure, fail, kindOf, messageOf } from "#base/errors.ts";
import { compileRoutes, type Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import { type ApiCall, type ApiRoute, statusOf, writeAnswer, writeError } from "./answer.ts";
import { NEWEST, parseVersion, splitVersion, versionKnownTo } from "./versions.ts";

export type ServeOptions = { routes: readonly ApiRoute[]; version: string; experimental?: boolean; log: Log };

export type Serving = { serve(call: Call): Promise<void>; mayHijack(path: string): boolean };

export function serving({ routes, version, experimental = false, log }: ServeOptions): Serving {
  const find = compileRoutes(routes);
  const findHijack = compileRoutes(routes.filter((route) => route.hijack).map((route) => ({ ...route, method: "*" })));
  const headers: readonly (readonly [string, string])[] = [
    ["Api-Version", `1.${NEWEST}`],
    ["Docker-Experimental", String(experimental)],
    ["Ostype", "linux"],
    ["Server", `Docker/${version} (linux)`],
  ];

  async function serve(call: Call): Promise<void> {
    for (const [name, value] of headers) call.response.setHeader(name, value);
    try {
      await answer(call);
    } catch (error) {
      report(log, call, error);
      writeError(call.response, error);
    }
  }

  async function answer(call: Call): Promise<void> {
    if (call.method === "OPTIONS") return writeAnswer(call.response, { status: 200 });
    if (!call.trusted && call.headers.origin !== undefined) throw fail("forbidden", "requests of web pages are not answered over TCP without client certificates");
    const { version: given, path } = splitVersion(call.path);
    const match = find(call.method, path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);
    if (match === undefined) throw fail("not-found", "page not found");
    const { route, params } = match;
    const apiVersion = Math.min(parseVersion(given), versionKnownTo(call.headers["user-agent"]));
    if (route.since !== undefined && apiVersion < route.since) {
      throw fail("invalid", `${call.method} ${path} requires API version 1.${route.since}, but the client asked for 1.${apiVersion}`);
    }
    const result = await route.run(withParams(call, apiVersion, params));
    if (result !== undefined) writeAnswer(call.response, result);
  }

  return {
    serve,
    mayHijack(path) {
      return findHijack("*", splitVersion(path).path) !== undefined;
    },
  };
}

function withParams(call: Call, version: number, params: Readonly<Record<string, string>>): ApiCall {
  return Object.assign(call, { version, params });
}

function report(log: Log, call: Call, error: unknown): void {
  const status = statusOf(error);
  const fields = { method: call.method, path: call.path, status, error: error instanceof Error ? error : messageOf(error) };
  if (isGivenUp(call, error)) log.debug("request given up", fields);
  else if (status !== 500) log.debug("request refused", fields);
  else if (isForeseen(error)) log.info("request failed", fields);
  else log.error("request failed", { ...fields, stack: error instanceof Error ? error.stack : undefined });
}

/** Its client has gone: whatever comes of that is no fault. An upload breaks off in the turn before the request's signal knows. */
function isGivenUp({ request, signal }: Call, error: unknown): boolean {
  const isBroken = request.destroyed && !request.complete && codeOf(error) === "ECONNRESET";
  return isBroken || (signal.aborted && (kindOf(error) === "cancelled" || error === signal.reason || codeOf(error) === "ERR_STREAM_PREMATURE_CLOSE"));
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

/** Docker answers 500 to much that is nobody's fault: a port in use. What somebody has put into words needs no stack. */
function isForeseen(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  return error.cause === undefined || isForeseen(error.cause);
}
