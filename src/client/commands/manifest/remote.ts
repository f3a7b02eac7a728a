/** Documents of registries, asked of the engine, which has the certificates, mirrors and proxies. */
import { fail, kindOf } from "#base/errors.ts";
import { type Descriptor, isIndexType, MEDIA } from "#spec/image.ts";
import { canonical, familiar, type Reference } from "#spec/reference.ts";
import type { Cli } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import type { ListedManifest, Platform } from "./state.ts";

type Document = { readonly Descriptor: Descriptor; readonly Raw: string };
type Answer = Document & { readonly Children?: readonly Document[] };

/** One manifest, or those of an index. `alone`: the index's own manifests are not asked for. */
export async function fetchManifests(cli: Cli, name: Reference, { alone }: { alone: boolean }): Promise<{ isList: boolean; manifests: ListedManifest[] }> {
  const auth = await authHeader(cli, name.domain);
  const api = await cli.api();
  try {
    const answer = await api.json<Answer>("GET", manifestPath(name), { query: { children: !alone }, headers: auth === undefined ? {} : { "X-Registry-Auth": auth } });
    if (!isIndexType(answer.Descriptor.mediaType)) return { isList: false, manifests: [listed(canonical(name), answer)] };
    // The platforms as the index has them, with all that it says.
    const { manifests: entries } = JSON.parse(Buffer.from(answer.Raw, "base64").toString()) as { manifests: readonly { digest: string; platform?: Platform }[] };
    const children = (answer.Children ?? []).map(({ Descriptor: own, Raw }) => {
      const { platform: _, ...rest } = own;
      const said = entries.find(({ digest }) => digest === own.digest)?.platform;
      return listed(`${canonical(name)}@${own.digest}`, { Descriptor: said === undefined ? rest : { ...rest, platform: said }, Raw });
    });
    return { isList: true, manifests: children };
  } catch (error) {
    if (kindOf(error) !== "not-found") throw error;
    throw fail("not-found", `no such manifest: ${familiar(name)}`, { cause: error });
  }
}

export const manifestPath = (name: Reference): string => `/gantry/manifests/${encodeURIComponent(canonical(name)).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@")}`;

function listed(ref: string, { Descriptor: { mediaType, digest, size, platform }, Raw }: Document): ListedManifest {
  const document: unknown = JSON.parse(Buffer.from(Raw, "base64").toString());
  const kind = mediaType === MEDIA.dockerManifest ? "SchemaV2Manifest" : "OCIManifest";
  return { Ref: ref, Descriptor: { mediaType, digest, size, ...(platform && { platform: orderedPlatform(platform as Platform) }) }, Raw, [kind]: document };
}

/** The order in which the fields stand in a list. */
export function orderedPlatform(platform: Platform): Platform {
  const { architecture, os, variant, "os.version": version, "os.features": features } = platform;
  return {
    architecture,
    os,
    ...(version && { "os.version": version }),
    ...(features && features.length > 0 && { "os.features": features }),
    ...(variant && { variant }),
  };
}
