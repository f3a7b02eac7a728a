/** Ours: what two engines need to send an image without what the other has. */
import { list, string, struct } from "../decode.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts, Platform } from "../api.ts";
import { requiredJsonBody } from "../body.ts";
import { platformsJson } from "../query.ts";
import { sendBytes } from "../streaming.ts";

const platform = struct({ os: string, architecture: string, variant: string });
const saveBody = struct({ names: list(string), platforms: list(platform), without: list(string) });
const missingBody = struct({ digests: list(string) });

export function sendRoutes({ images }: Pick<ApiParts, "images">): ApiRoute[] {
  async function blobs({ query }: ApiCall): Promise<Answer> {
    return ok({ Blobs: (await images.blobs(query.getAll("names"), { platforms: platformsJson(query) })).map(({ digest, size }) => ({ Digest: digest, Size: size })) });
  }

  async function missing(call: ApiCall): Promise<Answer> {
    const { digests } = missingBody(await requiredJsonBody(call), "body");
    return ok({ Missing: await images.missing(digests ?? []) });
  }

  async function save(call: ApiCall): Promise<Answer> {
    const { names, platforms, without } = saveBody(await requiredJsonBody(call), "body");
    const wanted = (platforms ?? []).map(({ os, architecture, variant }): Platform => ({ os, architecture, ...(variant && { variant }) }));
    const options = { platforms: wanted, without: new Set(without ?? []), signal: call.signal };
    return await sendBytes(call, "application/x-tar", await images.save(names ?? [], options));
  }

  return [
    { method: "GET", path: "/gantry/images/blobs", run: blobs },
    { method: "POST", path: "/gantry/images/missing", run: missing },
    { method: "POST", path: "/gantry/images/save", run: save },
  ];
}
