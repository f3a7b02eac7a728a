/**
 * BuildKit's control service: what a client asks of a builder, as both sides of it read and write it.
 * Field numbers as in moby/buildkit's api/services/control/control.proto.
 */
import { bigint64, bool, bytes, int32, int64, many, map, message, sub, text } from "#base/protobuf.ts";

export const CONTROL = "/moby.buildkit.v1.Control";

export const timestamp = message("google.protobuf.Timestamp", { seconds: int64(1), nanos: int32(2) });

/** Instructions of a graph: ours are made of Dockerfiles, by the engine; only whether there are any is looked at. */
export const definition = message("pb.Definition", { def: many(bytes(1)), metadata: map(2, bytes(0)) });

export const cacheEntry = message("CacheOptionsEntry", { type: text(1), attrs: map(2, text(0)) });
const cacheOptions = message("CacheOptions", {
  exportRef: text(1),
  importRefs: many(text(2)),
  exportAttrs: map(3, text(0)),
  exports: many(sub(4, cacheEntry)),
  imports: many(sub(5, cacheEntry)),
});

export const exporter = message("Exporter", { type: text(1), attrs: map(2, text(0)) });

export const solveRequest = message("SolveRequest", {
  ref: text(1),
  definition: sub(2, definition),
  /** Of older clients: the first exporter again. */
  exporter: text(3),
  exporterAttrs: map(4, text(0)),
  session: text(5),
  frontend: text(6),
  frontendAttrs: map(7, text(0)),
  cache: sub(8, cacheOptions),
  entitlements: many(text(9)),
  frontendInputs: map(10, sub(0, definition)),
  internal: bool(11),
  sourcePolicy: bytes(12),
  exporters: many(sub(13, exporter)),
});

export const solveResponse = message("SolveResponse", { exporterResponse: map(1, text(0)) });

export const statusRequest = message("StatusRequest", { ref: text(1) });

export const progressGroup = message("pb.ProgressGroup", { id: text(1), name: text(2), weak: bool(3) });

export const vertex = message("Vertex", {
  digest: text(1),
  inputs: many(text(2)),
  name: text(3),
  cached: bool(4),
  started: sub(5, timestamp),
  completed: sub(6, timestamp),
  error: text(7),
  progressGroup: sub(8, progressGroup),
});

export const vertexStatus = message("VertexStatus", {
  id: text(1),
  vertex: text(2),
  name: text(3),
  current: int64(4),
  total: int64(5),
  timestamp: sub(6, timestamp),
  started: sub(7, timestamp),
  completed: sub(8, timestamp),
});

export const vertexLog = message("VertexLog", { vertex: text(1), timestamp: sub(2, timestamp), stream: int64(3), msg: bytes(4) });

export const position = message("pb.Position", { line: int32(1), character: int32(2) });
export const range = message("pb.Range", { start: sub(1, position), end: sub(2, position) });
export const sourceInfo = message("pb.SourceInfo", { filename: text(1), data: bytes(2), language: text(4) });

export const vertexWarning = message("VertexWarning", {
  vertex: text(1),
  level: int64(2),
  short: bytes(3),
  detail: many(bytes(4)),
  url: text(5),
  info: sub(6, sourceInfo),
  ranges: many(sub(7, range)),
});

export const statusResponse = message("StatusResponse", {
  vertexes: many(sub(1, vertex)),
  statuses: many(sub(2, vertexStatus)),
  logs: many(sub(3, vertexLog)),
  warnings: many(sub(4, vertexWarning)),
});

/** Where in a Dockerfile a failure is: a detail of its status, by this type's name. */
export const errorSource = message("errdefs.Source", { info: sub(1, sourceInfo), ranges: many(sub(2, range)) });

export const usageRecord = message("UsageRecord", {
  id: text(1),
  mutable: bool(2),
  inUse: bool(3),
  size: int64(4),
  parent: text(5),
  createdAt: sub(6, timestamp),
  lastUsedAt: sub(7, timestamp),
  usageCount: int64(8),
  description: text(9),
  recordType: text(10),
  shared: bool(11),
  parents: many(text(12)),
});

export const diskUsageRequest = message("DiskUsageRequest", { filter: many(text(1)) });
export const diskUsageResponse = message("DiskUsageResponse", { record: many(sub(1, usageRecord)) });

export const pruneRequest = message("PruneRequest", {
  filter: many(text(1)),
  all: bool(2),
  /** Nanoseconds. */
  keepDuration: bigint64(3),
  reservedSpace: int64(4),
  maxUsedSpace: int64(5),
  minFreeSpace: int64(6),
});

export const infoResponse = message("InfoResponse", {
  buildkitVersion: sub(1, message("BuildkitVersion", { package: text(1), version: text(2), revision: text(3) })),
});
