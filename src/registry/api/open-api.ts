import type { Call } from "#base/http.ts";
import type { Decision, Need } from "../access/access.ts";
import { answer, answerFailure, refuse } from "./answer.ts";
import { actionOf, type ApiOptions, type Asked } from "./api.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import { listCatalog, listReferrers, listTags } from "./listings.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { parsePath, type Route } from "./path.ts";
import { cancelUpload, finishUpload, patchUpload, startUpload, uploadStatus } from "./uploads.ts";

type Handler = (asked: Asked<never>) => Promise<void> | void;

const HANDLERS: Readonly<Record<Exclude<Route["kind"], "invalid">, Readonly<Record<string, Handler>>>> = {
  base: { GET: greet, HEAD: greet },
  catalog: { GET: listCatalog },
  manifest: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  blob: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  uploads: { POST: startUpload },
  upload: { GET: uploadStatus, PATCH: patchUpload, PUT: finishUpload, DELETE: cancelUpload },
  tags: { GET: listTags },
  referrers: { GET: listReferrers },
};

export function openApi(api: ApiOptions): (call: Call) => Promise<void> {
  return async (call) => {
    const route = parsePath(call.path);
    if (api.events.request !== undefined) measure(call, route, api.events.request);
    try {
      await serve(call, route, api);
    } catch (error) {
      answerFailure(call, error, api.log);
    }
  };
}

async function serve(call: Call, route: Route | undefined, api: ApiOptions): Promise<void> {
  api.origin(call);
  if (route === undefined) return refuse(call, 404, "UNSUPPORTED", "there is nothing at this path");
  if (route.kind === "invalid") return refuseRoute(call, route, await permitted(call, { action: "ping" }, api));
  const handler = HANDLERS[route.kind][call.method];
  if (handler === undefined) return refuse(call, 405, "UNSUPPORTED", `${call.method} is not done at this path`, ["Allow", Object.keys(HANDLERS[route.kind]).join(", ")]);
  const asked = api.access.authorize(call, needOf(route, call.method));
  const decision = asked instanceof Promise ? await asked : asked;
  if (decision.kind !== "allowed") return refuseAccess(call, decision);
  if (isRefusedHere(call, route, api)) return;
  const done = handler({ call, route: route as never, identity: decision.identity, api });
  if (done instanceof Promise) await done;
}

function needOf(route: Exclude<Route, { kind: "invalid" }>, method: string): Need {
  if (route.kind === "base") return { action: "ping" };
  if (route.kind === "catalog") return { action: "catalog" };
  // Asking for and giving up an upload is part of writing.
  const action = route.kind === "upload" ? "write" : actionOf(method);
  return { repository: route.name, action };
}

/** What no access allows: changes of copies, deletes where they are disabled (RS-04). */
function isRefusedHere(call: Call, route: Route, { deletes, isCopy }: ApiOptions): boolean {
  const action = route.kind === "upload" ? "write" : actionOf(call.method);
  if (action === "delete" && !deletes) {
    refuse(call, 405, "UNSUPPORTED", "deleting is disabled in this registry");
    return true;
  }
  if (action === "write" && "name" in route && isCopy(route.name)) {
    refuse(call, 405, "UNSUPPORTED", `${route.name} is a copy of an upstream's repository: nothing is pushed to it`);
    return true;
  }
  return false;
}

/** A malformed name is told to those who may speak here at all. */
function refuseRoute(call: Call, { code, part }: Extract<Route, { kind: "invalid" }>, decision: Decision): void {
  if (decision.kind !== "allowed") return refuseAccess(call, decision);
  const shown = JSON.stringify(part.slice(0, 100));
  if (code === "TAG_INVALID") {
    const reading = call.method === "GET" || call.method === "HEAD";
    return refuse(call, reading ? 404 : 400, reading ? "MANIFEST_UNKNOWN" : "MANIFEST_INVALID", `${shown} is no tag and no digest`);
  }
  if (code === "BLOB_UPLOAD_UNKNOWN") return refuse(call, 404, code, "there is no such upload");
  refuse(call, 400, code, code === "NAME_INVALID" ? `${shown} is no name of a repository` : `${shown} is no sha256 or sha512 digest`);
}

async function permitted(call: Call, need: Need, { access }: ApiOptions): Promise<Decision> {
  return await access.authorize(call, need);
}

function refuseAccess(call: Call, decision: Exclude<Decision, { kind: "allowed" }>): void {
  if (decision.kind === "challenge") return refuse(call, 401, "UNAUTHORIZED", decision.message ?? "authentication is required", ["WWW-Authenticate", decision.header]);
  refuse(call, 403, "DENIED", decision.message ?? "access to this is denied");
}

function greet({ call }: Asked): void {
  answer(call, 200, ["Content-Type", "application/json; charset=utf-8", "Content-Length", 2], "{}");
}

function measure({ method, response }: Call, route: Route | undefined, tell: NonNullable<ApiOptions["events"]["request"]>): void {
  const began = performance.now();
  response.once("close", () => {
    const sent = response.getHeader("content-length");
    tell({ method: method in METHODS ? method : "other", route: route?.kind ?? "none", status: response.statusCode, duration: performance.now() - began, sent: Number(sent ?? 0) });
  });
}

const METHODS: Readonly<Record<string, true>> = { GET: true, HEAD: true, PUT: true, POST: true, PATCH: true, DELETE: true };
