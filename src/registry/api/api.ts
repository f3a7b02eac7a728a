/**
 * The distribution API over a store: who asks, whether they may, what they get.
 *
 *     const serve = openApi({ store, access, events, … });
 *     await serve(call);
 *
 * A request passes: origin (RS-09), path (RS-07), access, handler. Nothing of a repository is looked at before access agreed.
 */
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import type { Access, Action, Identity, Need } from "../access/access.ts";
import { noEvents, type Actor, type Events, type RegistryEvent } from "../events/events.ts";
import type { Store } from "../store/store.ts";
import type { OriginRule } from "./origin.ts";
import type { Route } from "./path.ts";
import type { UploadIds } from "./upload-id.ts";

export { openApi } from "./open-api.ts";

export type ApiOptions = {
  readonly store: Store;
  readonly access: Access;
  readonly events: Events;
  readonly uploadIds: UploadIds;
  /** Whether a repository is a copy of an upstream's: nobody writes to it. */
  readonly isCopy: (repository: string) => boolean;
  readonly deletes: boolean;
  /** Refuses what a page of a browser may have sent. */
  readonly origin: OriginRule;
  readonly log: Log;
};

/** One request that may do what it asks for. */
export type Asked<R extends Route = Route> = {
  readonly call: Call;
  readonly route: R;
  readonly identity: Identity;
  readonly api: ApiOptions;
};

export type RouteOf<K extends Route["kind"]> = Extract<Route, { kind: K }>;

/** What a request needs; undefined: there is no such method here. */
export type NeedOf = (route: Route, method: string) => Need | undefined;

export function emit({ call, identity, api }: Asked, event: Omit<RegistryEvent, "actor">): void {
  if (api.events !== noEvents) api.events.emit({ ...event, actor: actorOf(call, identity) });
}

let counter = 0;
const instance = Date.now().toString(36);

function actorOf({ request, headers }: Call, identity: Identity): Actor {
  return { identity: identity.name, address: request.socket.remoteAddress ?? "", userAgent: (headers["user-agent"] ?? "").slice(0, 256), requestId: `${instance}-${(counter++).toString(36)}` };
}

/** GET and HEAD read, DELETE deletes; all else writes. */
export const actionOf = (method: string): Action => (method === "GET" || method === "HEAD" ? "read" : method === "DELETE" ? "delete" : "write");
