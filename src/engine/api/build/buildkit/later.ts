/** BuildKit's doors, loaded when somebody comes through. */
import { kindOf } from "#base/errors.ts";
import { loadInTurns } from "#base/turns.ts";
import { hostPlatform } from "#spec/platform.ts";
import type { ApiParts } from "../../api.ts";
import type { BuildKit, Worker } from "./buildkit.ts";

export function openBuildKitLater(parts: Pick<ApiParts, "builds" | "networks" | "facts" | "log">): () => Promise<BuildKit> {
  let loading: Promise<BuildKit> | undefined;
  const load = async (): Promise<BuildKit> => {
    const builds = await parts.builds();
    await loadInTurns(MODULES);
    const { openBuildKit } = await import("./buildkit.ts");
    return openBuildKit({ builds, worker: () => workerOf(parts), log: parts.log });
  };
  // A try that failed is no reason to fail for ever.
  return () => (loading ??= load().catch((error: unknown) => ((loading = undefined), Promise.reject(error))));
}

/** What buildkit.ts needs, in its order. */
const MODULES = [
  () => import("#spec/buildkit/control.ts"),
  () => import("./solve-request.ts"),
  () => import("./client.ts"),
  () => import("./control.ts"),
  () => import("./buildkit.ts"),
];

function workerOf({ facts, networks }: Pick<ApiParts, "networks" | "facts">): Worker {
  return { id: facts.id, version: facts.version, platforms: [hostPlatform()], hostGateway: bridgeGateway(networks) };
}

function bridgeGateway(networks: ApiParts["networks"]): string | undefined {
  try {
    return networks.get("bridge").ipam.configs.find(({ gateway }) => gateway !== undefined)?.gateway;
  } catch (error) {
    if (kindOf(error) === "not-found") return undefined;
    throw error;
  }
}
