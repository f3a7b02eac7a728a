/** /_ping, /version, /info, /events. */
import type { Answer, ApiCall, ApiRoute } from "../answer.ts";
import { ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { translate } from "../compat.ts";
import { events } from "./events.ts";
import { info } from "./info.ts";
import { version } from "./version.ts";

export function systemRoutes(parts: ApiParts): ApiRoute[] {
  return [
    { method: "GET", path: "/_ping", run: (call) => ping(call, "OK") },
    { method: "HEAD", path: "/_ping", run: (call) => ping(call, "") },
    { method: "GET", path: "/version", run: () => ok(version(parts.facts)) },
    { method: "GET", path: "/info", run: async (call) => ok(translate("info", await info(parts), call.version)) },
    { method: "GET", path: "/events", run: (call) => events(call, parts.events) },
  ];
}

function ping({ response }: ApiCall, body: string): Answer {
  response.writeHead(200, {
    "Builder-Version": "2",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Content-Length": body.length,
    "Content-Type": "text/plain; charset=utf-8",
    Pragma: "no-cache",
    Swarm: "inactive",
  });
  response.end(body);
  return undefined;
}
