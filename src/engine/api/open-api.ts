import type { Duplex } from "node:stream";
import { openHttpServer } from "#base/http.ts";
import type { Api, ApiParts } from "./api.ts";
import { openBuildKitLater } from "./build/buildkit/later.ts";
import { buildRoutes } from "./build/routes.ts";
import { buildKitRoutes } from "./build/buildkit/routes.ts";
import { containerRoutes } from "./containers/routes.ts";
import { containerStatsRoutes } from "./containers/stats.ts";
import { containerStreamRoutes } from "./containers/streams.ts";
import { containerUpdateRoutes } from "./containers/update.ts";
import { diskRoutes } from "./disk/routes.ts";
import { execRoutes } from "./exec/routes.ts";
import { fileRoutes } from "./files/routes.ts";
import { imageRoutes } from "./images/routes.ts";
import { sendRoutes } from "./images/send.ts";
import { laterRoutes } from "./later.ts";
import { manifestRoutes } from "./registries/manifests.ts";
import { networkRoutes } from "./networks/routes.ts";
import { registryRoutes } from "./registries/routes.ts";
import { serving } from "./serve.ts";
import { systemRoutes } from "./system/routes.ts";
import { trustRoutes } from "./trust/routes.ts";
import { ownVolumeRoutes } from "./volumes/own-routes.ts";
import { volumeRoutes } from "./volumes/routes.ts";

export function openApi(parts: ApiParts): Api {
  const buildKit = openBuildKitLater(parts);
  const routes = [
    ...systemRoutes(parts),
    ...containerRoutes(parts),
    ...containerStreamRoutes(parts),
    ...containerStatsRoutes(parts),
    ...containerUpdateRoutes(parts),
    ...execRoutes(parts),
    ...fileRoutes(parts),
    ...imageRoutes(parts),
    ...sendRoutes(parts),
    ...registryRoutes(parts),
    ...trustRoutes(parts),
    ...networkRoutes(parts),
    ...volumeRoutes(parts),
    ...ownVolumeRoutes(parts),
    ...diskRoutes(parts),
    ...manifestRoutes(parts),
    ...buildRoutes(parts, buildKit),
    ...buildKitRoutes(buildKit),
    ...laterRoutes(),
  ];
  const { serve, mayHijack } = serving({ routes, version: parts.facts.version, experimental: parts.facts.experimental, log: parts.log });
  const http2 = (stream: Duplex): void => void buildKit().then((doors) => doors.connection(stream), () => stream.destroy());
  return openHttpServer({ serve, mayHijack, http2, log: parts.log });
}
