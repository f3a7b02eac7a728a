/**
 * What Docker serves and this version of Gantry does not yet: 501 with a sentence that names what is missing, never
 * 404, which would mean "no such container". Swarm's own are 503, as on a Docker that is in no swarm.
 */
import { fail } from "#base/errors.ts";
import type { ApiCall, ApiRoute } from "./answer.ts";
import { NOT_A_MANAGER } from "./volumes/routes.ts";

/** Those of docs/design/plugins.md are not managed by anybody: as in Docker, they are not listed here. */
const INSTALLED = "plugins that are installed (those with a socket in the plugins' folders are used)";

const LATER: readonly (readonly [paths: string, what: string])[] = [
  ["GET|POST /containers/{id}/checkpoints", "checkpoints"],
  ["DELETE /containers/{id}/checkpoints/{checkpoint}", "checkpoints"],
  ["GET /images/{name...}/attestations", "attestations of images"],
  ["GET /plugins/privileges", INSTALLED],
  ["POST /plugins/pull", INSTALLED],
  ["POST /plugins/create", INSTALLED],
];

const SWARM: readonly string[] = [
  "GET /swarm", "POST /swarm/update", "GET /swarm/unlockkey", "POST /swarm/unlock",
  "GET /nodes", "GET /nodes/{id}", "DELETE /nodes/{id}", "POST /nodes/{id}/update",
  "GET /services", "POST /services/create", "GET /services/{id}", "DELETE /services/{id}", "POST /services/{id}/update", "GET /services/{id}/logs",
  "GET /tasks", "GET /tasks/{id}", "GET /tasks/{id}/logs",
  "GET /secrets", "POST /secrets/create", "GET /secrets/{id}", "DELETE /secrets/{id}", "POST /secrets/{id}/update",
  "GET /configs", "POST /configs/create", "GET /configs/{id}", "DELETE /configs/{id}", "POST /configs/{id}/update",
];

const SWARM_ITSELF = ["POST /swarm/init", "POST /swarm/join"];

export function laterRoutes(): ApiRoute[] {
  return [
    ...LATER.flatMap(([paths, what]) => routesOf(paths, () => fail("not-implemented", `${what}: not there yet in this version of Gantry`))),
    ...SWARM.flatMap((paths) => routesOf(paths, () => fail("unavailable", NOT_A_MANAGER))),
    ...SWARM_ITSELF.flatMap((paths) => routesOf(paths, () => fail("unavailable", "swarm mode: not there yet in this version of Gantry"))),
    ...routesOf("POST /swarm/leave", () => fail("unavailable", "This node is not part of a swarm")),
    ...["GET /plugins/{name...}/json", "DELETE /plugins/{name...}", ...["enable", "disable", "push", "upgrade", "set"].map((verb) => `POST /plugins/{name...}/${verb}`)].flatMap((paths) =>
      routesOf(paths, ({ params }) => fail("not-found", `plugin ${JSON.stringify(params["name"])} not found`)),
    ),
    { method: "GET", path: "/plugins", run: () => ({ status: 200, json: [] }) },
  ];
}

function routesOf(paths: string, failure: (call: ApiCall) => Error): ApiRoute[] {
  const [methods, path] = paths.split(" ") as [string, string];
  const run = (call: ApiCall) => {
    throw failure(call);
  };
  return methods.split("|").map((method) => ({ method, path, run }));
}
