/** Gantry's own, for `docker manifest`: documents of registries, and indexes put together of them. */
import { fail } from "#base/errors.ts";
import { type Digest, parseDigest } from "#spec/digest.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { requiredJsonBody } from "../body.ts";
import { record, string, struct } from "../decode.ts";
import { flag } from "../query.ts";
import { authOf } from "./auth.ts";

const decodePush = struct({ MediaType: string, Raw: string, Sources: record(string) });

export function manifestRoutes({ registries }: Pick<ApiParts, "registries">): ApiRoute[] {
  async function read({ params, query, headers, signal }: ApiCall): Promise<Answer> {
    const { descriptor, bytes, children } = await registries.manifest(params["name"]!, { children: flag(query, "children"), auth: authOf(headers), signal });
    return ok({ Descriptor: descriptor, Raw: bytes.toString("base64"), ...(children && { Children: children.map((child) => ({ Descriptor: child.descriptor, Raw: child.bytes.toString("base64") })) }) });
  }

  async function push(call: ApiCall): Promise<Answer> {
    const body = decodePush(await requiredJsonBody(call), "IndexPush");
    if (body.Raw === "") throw fail("invalid", "push an index: Raw is needed");
    const sources = new Map(Object.entries(body.Sources ?? {}).map(([digest, name]): [Digest, string] => [parseDigest(digest), name]));
    const index = { mediaType: body.MediaType, bytes: Buffer.from(body.Raw, "base64"), sources };
    const { digest, pushed } = await registries.pushIndex(call.params["name"]!, index, { auth: authOf(call.headers), signal: call.signal });
    return ok({ Digest: digest, Pushed: pushed });
  }

  return [
    { method: "GET", path: "/gantry/manifests/{name...}", run: read },
    { method: "POST", path: "/gantry/manifests/{name...}", run: push },
  ];
}
