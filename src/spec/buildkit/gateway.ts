/**
 * The gateway: what a client that drives a build itself asks for, one call after another. buildx does, though all it asks
 * for is the Dockerfile frontend. Field numbers as in moby/buildkit's frontend/gateway/pb/gateway.proto.
 */
import { bool, bytes, int32, int64, many, map, message, sub, text } from "#base/protobuf.ts";
import { cacheEntry, definition } from "./control.ts";
import { stat } from "./session.ts";
import { capability, platform, workerRecord } from "./workers.ts";

export const BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge";

/** Metadata that names the build of a call. */
export const BUILD_ID = "buildkit-controlapi-buildid";

export const pong = message("PongResponse", { frontendCaps: many(sub(1, capability)), llbCaps: many(sub(2, capability)), workers: many(sub(3, workerRecord)) });

export const ref = message("Ref", { id: text(1), definition: sub(2, definition) });
const refMap = message("RefMap", { refs: map(1, sub(0, ref)) });
export const result = message("Result", {
  refDeprecated: text(1),
  refsDeprecated: sub(2, message("RefMapDeprecated", { refs: map(1, text(0)) })),
  ref: sub(3, ref),
  refs: sub(4, refMap),
  metadata: map(10, bytes(0)),
});

export const bridgeSolveRequest = message("gateway.SolveRequest", {
  definition: sub(1, definition),
  frontend: text(2),
  frontendOpt: map(3, text(0)),
  allowResultReturn: bool(5),
  allowResultArrayRef: bool(6),
  final: bool(10),
  exporterAttr: bytes(11),
  cacheImports: many(sub(12, cacheEntry)),
  frontendInputs: map(13, sub(0, definition)),
  evaluate: bool(14),
  sourcePolicies: many(bytes(15)),
});
export const bridgeSolveResponse = message("gateway.SolveResponse", { ref: text(1), result: sub(3, result) });

export const detail = message("google.protobuf.Any", { typeUrl: text(1), value: bytes(2) });
export const returnRequest = message("ReturnRequest", { result: sub(1, result), error: sub(2, message("google.rpc.Status", { code: int32(1), message: text(2), details: many(sub(3, detail)) })) });

export const inputsResponse = message("InputsResponse", { definitions: map(1, sub(0, definition)) });
export const evaluateRequest = message("EvaluateRequest", { ref: text(1) });

export const readFileRequest = message("ReadFileRequest", { ref: text(1), filePath: text(2), range: sub(3, message("FileRange", { offset: int64(1), length: int64(2) })) });
export const readFileResponse = message("ReadFileResponse", { data: bytes(1) });

export const statFileRequest = message("StatFileRequest", { ref: text(1), path: text(2) });
export const statFileResponse = message("StatFileResponse", { stat: sub(1, stat) });

export const resolveImageRequest = message("ResolveImageConfigRequest", { ref: text(1), platform: sub(2, platform), resolveMode: text(3), logName: text(4), resolverType: int32(5), sessionId: text(6), storeId: text(7) });
export const resolveImageResponse = message("ResolveImageConfigResponse", { digest: text(1), config: bytes(2), ref: text(3) });
