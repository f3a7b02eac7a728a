/** /containers: create, list, inspect, and what happens to them. Streams are in streams.ts. */
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, created, empty, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { drain, requiredJsonBody } from "../body.ts";
import { translate } from "../compat.ts";
import { filters, flag, integer, platformText, size, text } from "../query.ts";
import { createHost } from "./create-host.ts";
import { parseCreateRequest, type ParsedCreate } from "./create-request.ts";
import { inspectContainer } from "./inspect.ts";
import { resolveNetworks } from "./resolve-networks.ts";
import { summarizeContainer } from "./summary.ts";

const LIST_FILTERS = [
  "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network", "publish", "since", "status", "volume",
];

export function containerRoutes(parts: ApiParts): ApiRoute[] {
  const { containers } = parts;
  const host = createHost(parts);

  async function parseCreate(call: ApiCall): Promise<ParsedCreate & { options: { name?: string; platform?: string; freePorts?: boolean } }> {
    const parsed = parseCreateRequest(await requiredJsonBody(call), { version: call.version, host });
    resolveNetworks(parsed.request, parts);
    const name = text(call.query, "name").replace(/^\//, "");
    const platform = call.version >= 41 ? platformText(call.query) : undefined;
    return { ...parsed, options: { ...(name === "" ? {} : { name }), ...(platform === undefined ? {} : { platform }), freePorts: flag(call.query, "free-ports") } };
  }

  async function create(call: ApiCall): Promise<Answer> {
    const { request, warnings, options } = await parseCreate(call);
    try {
      const made = await containers.create(request, options);
      return created({ Id: made.id, Warnings: [...made.warnings, ...warnings] });
    } catch (error) {
      throw await onlyForImages(error, request.config.Image);
    }
  }

  /** 404 makes clients pull the image and try again: it is for a missing image, and nothing else. */
  async function onlyForImages(error: unknown, image: string): Promise<unknown> {
    if (kindOf(error) !== "not-found") return error;
    const hasImage = await parts.images.get(image).then(() => true, () => false);
    return hasImage ? fail("invalid", messageOf(error), { cause: error }) : error;
  }

  async function list(call: ApiCall): Promise<Answer> {
    const { query, version } = call;
    const limit = integer(query, "limit");
    const given = new Map(filters(query, LIST_FILTERS));
    for (const bound of ["before", "since"]) if (text(query, bound) !== "") given.set(bound, [text(query, bound)]);
    const records = await containers.list({ all: flag(query, "all"), ...(limit === undefined || limit <= 0 ? {} : { limit }), filters: given });
    const now = Date.now();
    const withSize = flag(query, "size");
    const summaries = records.map(async (record) => {
      const size = withSize ? await containers.size(record.id) : undefined;
      return translate("container-summary", summarizeContainer(record, now, size), version);
    });
    return ok(await Promise.all(summaries));
  }

  async function inspect({ params, query, version }: ApiCall): Promise<Answer> {
    const record = containers.get(params["id"]!);
    const size = flag(query, "size") ? await containers.size(record.id) : undefined;
    return ok(translate("container", inspectContainer(record, size), version));
  }

  async function start(call: ApiCall): Promise<Answer> {
    const length = call.headers["content-length"];
    // Clients that mean "no body" send up to "{}" or "null".
    if (call.headers["transfer-encoding"] !== undefined || Number(length ?? 0) > 7) {
      throw fail("invalid", "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    }
    await drain(call.request);
    if (text(call.query, "checkpoint") !== "") throw fail("not-implemented", "checkpoints are not there yet in this version of Gantry");
    const detachKeys = text(call.query, "detachKeys");
    await containers.start(call.params["id"]!, detachKeys === "" ? {} : { detachKeys });
    return empty();
  }

  async function kill({ params, query }: ApiCall): Promise<Answer> {
    try {
      await containers.kill(params["id"]!, text(query, "signal") || "SIGKILL");
    } catch (error) {
      throw fail(kindOf(error), `cannot kill container: ${params["id"]}: ${messageOf(error)}`, { cause: error, facts: error instanceof Failure ? { ...error.facts } : {} });
    }
    return empty();
  }

  async function remove({ params, query }: ApiCall): Promise<Answer> {
    if (flag(query, "link")) throw fail("not-implemented", "links of containers are not there yet in this version of Gantry");
    await containers.remove(params["id"]!, { force: flag(query, "force"), volumes: flag(query, "v") });
    return empty();
  }

  async function prune({ query }: ApiCall): Promise<Answer> {
    const { deleted, reclaimed } = await containers.prune(filters(query, ["label", "label!", "until"]));
    return ok({ ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed });
  }

  async function top({ params, query }: ApiCall): Promise<Answer> {
    const { titles, processes } = await containers.top(params["id"]!, text(query, "ps_args") || "-ef");
    return ok({ Processes: processes, Titles: titles });
  }

  const done = (act: (call: ApiCall) => Promise<void>, status = 204) => async (call: ApiCall) => {
    await act(call);
    return empty(status);
  };

  return [
    { method: "GET", path: "/containers/json", run: list },
    { method: "POST", path: "/containers/create", run: create },
    { method: "POST", path: "/containers/prune", since: 25, run: prune },
    { method: "GET", path: "/containers/{id}/json", run: inspect },
    { method: "GET", path: "/containers/{id}/top", run: top },
    { method: "POST", path: "/containers/{id}/start", run: start },
    { method: "POST", path: "/containers/{id}/stop", run: done((call) => containers.stop(call.params["id"]!, stopOptions(call))) },
    { method: "POST", path: "/containers/{id}/restart", run: done((call) => containers.restart(call.params["id"]!, stopOptions(call))) },
    { method: "POST", path: "/containers/{id}/kill", run: kill },
    { method: "POST", path: "/containers/{id}/pause", run: done((call) => containers.pause(call.params["id"]!)) },
    { method: "POST", path: "/containers/{id}/unpause", run: done((call) => containers.unpause(call.params["id"]!)) },
    { method: "POST", path: "/containers/{id}/rename", run: done((call) => containers.rename(call.params["id"]!, text(call.query, "name").replace(/^\//, ""))) },
    { method: "POST", path: "/containers/{id}/resize", run: done((call) => containers.resize(call.params["id"]!, sizeOf(call)), 200) },
    { method: "DELETE", path: "/containers/{id}", run: remove },
    // Gantry's own: what create and start would do, and what a container is made of.
    {
      method: "POST",
      path: "/gantry/containers/plan",
      run: async (call) => {
        const { request, options } = await parseCreate(call);
        return ok({ Lines: await containers.plan(request, options) });
      },
    },
    { method: "GET", path: "/gantry/containers/{id}/explain", run: async ({ params }) => ok(capitalised(await containers.explain(params["id"]!))) },
  ];
}

/** The signal of a stop is newer than the stop. */
function stopOptions({ query, version }: ApiCall): { timeout?: number; signal?: string } {
  const timeout = integer(query, "t");
  const signal = version >= 42 ? text(query, "signal") : "";
  return { ...(timeout === undefined ? {} : { timeout }), ...(signal === "" ? {} : { signal }) };
}

export function sizeOf({ query }: ApiCall): { rows: number; cols: number } {
  return { rows: size(query, "h"), cols: size(query, "w") };
}

/** Keys as they are everywhere else in the API: `{{.Pid}}`, not `{{.pid}}`. */
function capitalised(facts: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts as Record<string, unknown>).map(([name, value]) => [name[0]!.toUpperCase() + name.slice(1), value]));
}
