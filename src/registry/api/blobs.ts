import { answer, refuse } from "./answer.ts";
import { emit, type Asked, type RouteOf } from "./api.ts";
import { sendBody } from "./body.ts";
import { parseRange } from "./range.ts";
import type { StoredBlob } from "../store/store.ts";

/** Who only looks means to push something that needs it. */
const CLAIM = { claim: true } as const;

type AskedBlob = Asked<RouteOf<"blob">>;

export async function getBlob(asked: AskedBlob): Promise<void> {
  const { call, route, api } = asked;
  const { name, digest } = route;
  const found = await api.store.blob(name, digest, call.method === "HEAD" ? CLAIM : undefined);
  if (found === undefined) return refuseUnknown(asked);
  const etag = `"${digest}"`;
  if (call.headers["if-none-match"] === etag) return answer(call, 304, ["Etag", etag]);
  // A range of other bytes than the client has the beginning of is no use to it.
  const whole = call.headers["if-range"] !== undefined && call.headers["if-range"] !== etag;
  const range = whole ? "whole" : parseRange(call.headers.range, found.size);
  if (range === "none") return refuse(call, 416, "RANGE_INVALID", `${digest} has ${found.size} bytes`, ["Content-Range", `bytes */${found.size}`]);
  const part = range === "whole" ? { start: 0, end: found.size } : range;
  const headers = ["Content-Type", "application/octet-stream", "Content-Length", part.end - part.start, "Docker-Content-Digest", digest, "Etag", etag, "Accept-Ranges", "bytes", "Cache-Control", "max-age=31536000"];
  if (range !== "whole") headers.push("Content-Range", `bytes ${part.start}-${part.end - 1}/${found.size}`);
  await send(asked, found, { status: range === "whole" ? 200 : 206, headers, part });
  if (call.method === "GET") emit(asked, { kind: "pull", target: "blob", repository: name, digest, size: found.size });
}

type Sent = { readonly status: number; readonly headers: (string | number)[]; readonly part: { readonly start: number; readonly end: number } };

async function send({ call }: AskedBlob, { bytes, open }: StoredBlob, { status, headers, part }: Sent): Promise<void> {
  if (call.method === "HEAD" || bytes !== undefined) return answer(call, status, headers, bytes?.subarray(part.start, part.end));
  const stream = await open(part, { reuse: true });
  call.response.writeHead(status, headers as string[]);
  await sendBody(call, stream);
}

function refuseUnknown({ call, route }: AskedBlob): void {
  refuse(call, 404, "BLOB_UNKNOWN", `the repository ${route.name} has no blob ${route.digest}`);
}

export async function deleteBlob(asked: AskedBlob): Promise<void> {
  const { call, route, api } = asked;
  if (!(await api.store.deleteBlob(route.name, route.digest))) return refuseUnknown(asked);
  answer(call, 202, ["Content-Length", 0]);
  emit(asked, { kind: "delete", target: "blob", repository: route.name, digest: route.digest });
}
