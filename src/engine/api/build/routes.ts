/** POST /build in its versions, and the cache's prune. What is behind them is loaded when it is first wanted. */
import { fail } from "#base/errors.ts";
import { type ApiRoute, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { text } from "../query.ts";
import type { BuildKit } from "./buildkit/buildkit.ts";
import type { Classic } from "./classic/build.ts";
import { pastJson } from "./past.ts";

type Parts = Pick<ApiParts, "builds" | "events">;

export function buildRoutes({ builds, events }: Parts, buildKit: () => Promise<Pick<BuildKit, "build">>): ApiRoute[] {
  let loading: Promise<Classic> | undefined;
  const load = async (): Promise<Classic> => {
    // One after the other: what is loaded at once holds the engine for as long.
    const parts = await builds();
    const { openClassic } = await import("./classic/build.ts");
    return openClassic(parts);
  };
  // A try that failed is no reason to fail for ever.
  const classic = (): Promise<Classic> => (loading ??= load().catch((error: unknown) => ((loading = undefined), Promise.reject(error))));
  return [
    {
      method: "POST",
      path: "/build",
      async run(call) {
        const version = text(call.query, "version");
        if (version === "2") return (await buildKit()).build(call);
        if (version !== "" && version !== "1") throw fail("invalid", `invalid version ${JSON.stringify(version)}`);
        return (await classic()).build(call);
      },
    },
    { method: "GET", path: "/gantry/builds/{ref}", run: async ({ params }) => ok(pastJson((await builds()).history.get(params["ref"]!))) },
    {
      method: "POST",
      path: "/build/prune",
      since: 31,
      run: async (call) => (await import("./cache.ts")).pruneCache(await builds(), call, events.publish),
    },
    {
      method: "GET",
      path: "/gantry/prune/build",
      run: async (call) => (await import("./cache.ts")).pruneCache(await builds(), call, events.publish, { dryRun: true }),
    },
  ];
}
