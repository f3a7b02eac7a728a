/** This engine as BuildKit's clients know workers. */
import { hostname } from "node:os";
import type { In } from "#base/protobuf.ts";
import type { buildkitVersion, workerRecord } from "#spec/buildkit/workers.ts";
import type { Worker } from "./buildkit.ts";

const LABEL = "org.mobyproject.buildkit.worker";

/** The version whose protocol this is. */
const PROTOCOL = "v0.18.0";

export function workerOf({ id, platforms, hostGateway, ...rest }: Worker): In<typeof workerRecord> {
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
    buildkitVersion: versionOf({ id, platforms, hostGateway, ...rest }),
  };
}

export function versionOf({ version }: Worker): In<typeof buildkitVersion> {
  return { package: "gantry", version: PROTOCOL, revision: version };
}
