/**
 * What a builder says of itself, and what it keeps of builds that were. Field numbers as in moby/buildkit's
 * api/types/worker.proto, util/apicaps/pb/caps.proto and api/services/control/control.proto.
 */
import { bool, int32, int64, many, map, message, sub, text } from "#base/protobuf.ts";
import { exporter, timestamp } from "./control.ts";

export const platform = message("pb.Platform", { architecture: text(1), os: text(2), variant: text(3), osVersion: text(4), osFeatures: many(text(5)) });

export const buildkitVersion = message("BuildkitVersion", { package: text(1), version: text(2), revision: text(3) });

export const gcPolicy = message("GCPolicy", { all: bool(1), keepDuration: int64(2), reservedSpace: int64(3), filters: many(text(4)), maxUsedSpace: int64(5), minFreeSpace: int64(6) });

export const workerRecord = message("WorkerRecord", {
  id: text(1),
  labels: map(2, text(0)),
  platforms: many(sub(3, platform)),
  gcPolicy: many(sub(4, gcPolicy)),
  buildkitVersion: sub(5, buildkitVersion),
});

export const listWorkersRequest = message("ListWorkersRequest", { filter: many(text(1)) });
export const listWorkersResponse = message("ListWorkersResponse", { record: many(sub(1, workerRecord)) });

export const capability = message("APICap", { id: text(1), enabled: bool(2) });

export const empty = message("Empty", {});

export const rpcStatus = message("google.rpc.Status", { code: int32(1), message: text(2) });

export const descriptor = message("Descriptor", { mediaType: text(1), digest: text(2), size: int64(3), annotations: map(5, text(0)) });

export const buildResult = message("BuildResultInfo", { result: sub(1, descriptor), attestations: many(sub(2, descriptor)), results: map(3, sub(0, descriptor), "int64") });

export const historyRequest = message("BuildHistoryRequest", { activeOnly: bool(1), ref: text(2), earlyExit: bool(3) });

export const historyRecord = message("BuildHistoryRecord", {
  ref: text(1),
  frontend: text(2),
  frontendAttrs: map(3, text(0)),
  exporters: many(sub(4, exporter)),
  error: sub(5, rpcStatus),
  createdAt: sub(6, timestamp),
  completedAt: sub(7, timestamp),
  logs: sub(8, descriptor),
  exporterResponse: map(9, text(0)),
  result: sub(10, buildResult),
  results: map(11, sub(0, buildResult)),
  generation: int32(12),
  trace: sub(13, descriptor),
  pinned: bool(14),
  cachedSteps: int32(15),
  totalSteps: int32(16),
  completedSteps: int32(17),
  externalError: sub(18, descriptor),
  warnings: int32(19),
});

export const HISTORY = { started: 0, complete: 1, deleted: 2 } as const;

export const historyEvent = message("BuildHistoryEvent", { type: int32(1), record: sub(2, historyRecord) });
export const updateHistoryRequest = message("UpdateBuildHistoryRequest", { ref: text(1), pinned: bool(2), delete: bool(3), finalize: bool(4) });
