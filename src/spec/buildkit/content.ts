/**
 * containerd's content service, as far as a client offers it for folders with OCI layouts (a local cache, a named context)
 * and asks for what a build has left. Field numbers as in containerd's api/services/content/v1/content.proto.
 */
import { bytes, int32, int64, map, message, sub, text } from "#base/protobuf.ts";
import { timestamp } from "./control.ts";

export const CONTENT = "/containerd.services.content.v1.Content";

/** Metadata that names the store: "local:/folder", "oci:NAME", "export". */
export const CONTENT_STORE = "buildkit-attachable-store-id";

const contentInfo = message("Info", { digest: text(1), size: int64(2), createdAt: sub(3, timestamp), updatedAt: sub(4, timestamp), labels: map(5, text(0)) });
export const infoRequest = message("InfoRequest", { digest: text(1) });
export const infoResponse = message("InfoResponse", { info: sub(1, contentInfo) });

export const readRequest = message("ReadContentRequest", { digest: text(1), offset: int64(2), size: int64(3) });
export const readResponse = message("ReadContentResponse", { offset: int64(1), data: bytes(2) });

export const WRITE = { stat: 0, write: 1, commit: 2 } as const;
export const writeRequest = message("WriteContentRequest", { action: int32(1), ref: text(2), total: int64(3), expected: text(4), offset: int64(5), data: bytes(6), labels: map(7, text(0)) });
export const writeResponse = message("WriteContentResponse", { action: int32(1), startedAt: sub(2, timestamp), updatedAt: sub(3, timestamp), offset: int64(4), total: int64(5), digest: text(6) });
