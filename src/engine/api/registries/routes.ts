/** What goes to registries: pull (from /images/create), push, login, search, distribution, copy. */
import { fail } from "#base/errors.ts";
import { parsePlatform } from "#spec/platform.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { requiredJsonBody } from "../body.ts";
import { filters, integer, platformsJson, platformText, text } from "../query.ts";
import { sendProgress } from "../streaming.ts";
import { authConfig, authOf, credentialsOf } from "./auth.ts";

type Parts = Pick<ApiParts, "registries">;

export function registryRoutes({ registries }: Parts): ApiRoute[] {
  async function push(call: ApiCall): Promise<Answer> {
    const { query, params, headers, signal } = call;
    const tag = text(query, "tag");
    const [platform] = call.version >= 46 ? platformsJson(query) : [];
    const messages = registries.push(params["name"]!, { auth: authOf(headers), signal, ...(tag !== "" && { tag }), ...(platform && { platform }) });
    return await sendProgress(call, messages);
  }

  async function login(call: ApiCall): Promise<Answer> {
    const config = authConfig(await requiredJsonBody(call));
    const credentials = credentialsOf(config);
    if (credentials === undefined) throw fail("unauthorized", "login: neither user name nor token is given");
    const { identityToken } = await registries.login(config.serveraddress ?? "", credentials, call.signal);
    return ok({ Status: "Login Succeeded", IdentityToken: identityToken });
  }

  async function distribution({ params, headers, signal }: ApiCall): Promise<Answer> {
    const { descriptor, platforms } = await registries.inspect(params["name"]!, { auth: authOf(headers), signal });
    return ok({ Descriptor: descriptor, Platforms: platforms });
  }

  async function search({ query, headers, signal }: ApiCall): Promise<Answer> {
    const limit = integer(query, "limit") ?? 0;
    const given = filters(query, ["is-automated", "is-official", "stars"]);
    return ok(await registries.search(text(query, "term"), { auth: authOf(headers), signal, limit, filters: given }));
  }

  /** Ours: from registry to registry. X-Registry-Auth is the target's, X-Registry-Auth-From the source's. */
  async function copy(call: ApiCall): Promise<Answer> {
    const { query, headers, signal } = call;
    const [from, to] = [text(query, "from"), text(query, "to")];
    if (from === "" || to === "") throw fail("invalid", "copy: from and to are needed");
    const given = platformsJson(query);
    const options = { from: authOf(headers, "x-registry-auth-from"), to: authOf(headers), platforms: given.length === 0 ? ("all" as const) : given, signal };
    return await sendProgress(call, registries.copy(from, to, options));
  }

  return [
    { method: "POST", path: "/images/{name...}/push", run: push },
    { method: "POST", path: "/auth", run: login },
    { method: "GET", path: "/distribution/{name...}/json", since: 30, run: distribution },
    { method: "GET", path: "/images/search", run: search },
    { method: "POST", path: "/gantry/images/copy", run: copy },
  ];
}

/** POST /images/create with fromImage. */
export async function pull({ registries }: Parts, call: ApiCall): Promise<Answer> {
  const { query, headers, signal } = call;
  const platform = call.version >= 32 ? platformText(query) : undefined;
  const messages = registries.pull(pulledName(query), { auth: authOf(headers), signal, platform: platform === undefined ? undefined : parsePlatform(platform) });
  return await sendProgress(call, messages);
}

/** `tag` may be a digest; one that stands in the name is overruled, as in Docker. */
function pulledName(query: URLSearchParams): string {
  const [image, tag] = [text(query, "fromImage"), text(query, "tag")];
  if (tag === "") return image;
  const bare = image.replace(/(@.*|:[^/:@]*)$/, "");
  return tag.includes(":") ? `${bare}@${tag}` : `${bare}:${tag}`;
}
