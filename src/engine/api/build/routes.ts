/** Doors of builds. What is behind them is loaded when somebody comes through. */
import { hostPlatform } from "#spec/platform.ts";
import type { ApiRoute } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import type { BuildKit } from "./buildkit/buildkit.ts";
import { buildKitRoutes } from "./buildkit/routes.ts";

export type BuildDoors = { readonly routes: ApiRoute[]; close(): void };

export function buildDoors({ builds, facts, log }: ApiParts): BuildDoors {
  let opened: BuildKit | undefined;
  let loading: Promise<BuildKit> | undefined;
  const load = async (): Promise<BuildKit> => {
    const [{ openBuildKit }, built] = await Promise.all([import("./buildkit/buildkit.ts"), builds()]);
    const worker = () => ({ id: facts.id, version: facts.version, platforms: [hostPlatform()], hostGateway: undefined });
    return (opened = openBuildKit({ builds: built, worker, log }));
  };
  const buildKit = (): Promise<BuildKit> => (loading ??= load().catch((error: unknown) => ((loading = undefined), Promise.reject(error))));
  return {
    routes: [
      ...buildKitRoutes(buildKit),
      {
        method: "POST",
        path: "/build",
        run: async (call) => (await buildKit()).build(call),
      },
    ],
    close: () => opened?.close(),
  };
}
