/** This engine as BuildKit's clients know workers. */
import { hostname } from "node:os";
import type { In } from "#base/protobuf.ts";
import type { PruneOptions } from "#builder/cache/cache.ts";
import type { buildkitVersion, gcPolicy, workerRecord } from "#spec/buildkit/workers.ts";
import type { Worker } from "./buildkit.ts";

const LABEL = "org.mobyproject.buildkit.worker";

/** The version whose protocol this is. */
const PROTOCOL = "v0.18.0";

export function workerOf({ id, platforms, hostGateway, ...rest }: Worker, rounds: readonly PruneOptions[] = []): In<typeof workerRecord> {
  return {
    id,
    labels: {
      [`${LABEL}.executor`]: "gantry",
      [`${LABEL}.hostname`]: hostname(),
      // An engine that says so keeps images as they are in registries: several platforms, attestations, OCI archives.
      [`${LABEL}.snapshotter`]: "overlayfs",
      ...(hostGateway !== undefined && { [`${LABEL}.moby.host-gateway-ip`]: hostGateway }),
    },
    platforms: platforms.map(({ os, architecture, variant = "" }) => ({ os, architecture, variant })),
    gcPolicy: rounds.map(policyOf),
    buildkitVersion: versionOf({ id, platforms, hostGateway, ...rest }),
  };
}

function policyOf({ all, filters = new Map(), keepDuration = 0n, reserved, maxUsed, minFree }: PruneOptions): In<typeof gcPolicy> {
  const conditions = [...filters].flatMap(([name, values]) => values.map((value) => `${name}==${value}`));
  return { all, filters: conditions.length === 0 ? [] : [conditions.join(",")], keepDuration: Number(keepDuration), reservedSpace: reserved, maxUsedSpace: maxUsed, minFreeSpace: minFree };
}

export function versionOf({ version }: Worker): In<typeof buildkitVersion> {
  return { package: "gantry", version: PROTOCOL, revision: version };
}
