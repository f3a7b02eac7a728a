import { MEDIA } from "#spec/image.ts";
import { digestOfDigits, digits } from "../store/digest.ts";
import { answerJson, refuse } from "./answer.ts";
import type { Asked, RouteOf } from "./api.ts";
import { linkTo, readPage } from "./paging.ts";
import { isName, isTag } from "./path.ts";

export async function listTags({ call, route, api }: Asked<RouteOf<"tags">>): Promise<void> {
  const page = readPage(call, isTag);
  const found = await api.store.tags(route.name, page);
  if (found === undefined) return refuse(call, 404, "NAME_UNKNOWN", `there is no repository ${route.name}`);
  const link = linkTo(call.path, { n: String(page.limit), last: found.items.at(-1) }, found.more);
  answerJson(call, 200, link, { name: route.name, tags: found.items });
}

/** Those that the caller may read: a page may have fewer than were asked for, and another after it. */
export async function listCatalog({ call, identity, api }: Asked<RouteOf<"catalog">>): Promise<void> {
  const page = readPage(call, isName);
  const { items, more } = await api.store.repositories(page);
  const readable = await Promise.all(items.map((name) => api.access.may(call, identity, name, "read")));
  const link = linkTo(call.path, { n: String(page.limit), last: items.at(-1) }, more);
  answerJson(call, 200, link, { repositories: items.filter((_, index) => readable[index]) });
}

export async function listReferrers({ call, route, api }: Asked<RouteOf<"referrers">>): Promise<void> {
  const page = readPage(call, (last) => digestOfDigits(last) !== undefined);
  const artifactType = call.query.get("artifactType") || undefined;
  const { items, more } = await api.store.referrers(route.name, route.digest, page);
  const manifests = artifactType === undefined ? items : items.filter((item) => item.artifactType === artifactType);
  const last = items.at(-1)?.digest;
  const link = linkTo(call.path, { artifactType, n: String(page.limit), last: last && digits(last) }, more);
  const filtered = artifactType === undefined ? [] : ["OCI-Filters-Applied", "artifactType"];
  answerJson(call, 200, [...link, ...filtered], { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }, MEDIA.ociIndex);
}
