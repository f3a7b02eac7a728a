/** Images that a build starts from: those that are here, else their registries'. Held by the build's lease once found. */
import { type Failure, fail, kindOf, messageOf } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { BaseImage, BaseImages } from "#builder/plan/plan.ts";
import type { BuildClient } from "#builder/builder.ts";
import type { Core } from "#core/core.ts";
import { isDangling } from "#core/images/images.ts";
import type { Lease } from "#core/leases/leases.ts";
import { chainIds } from "#spec/image.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { canonical, parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Trust } from "#transfer/trust/trust.ts";
import { chooseVariant, type Documents, type Variant } from "../images/documents.ts";
import { type Found, tryFindImage } from "../images/find.ts";
import type { EngineImages } from "../images/images.ts";
import { isLayout, layoutImage } from "./oci-layout.ts";
import type { Message, Registries } from "../registries/registries.ts";

export type BaseImageParts = {
  readonly core: Core;
  readonly documents: Documents;
  readonly registries: Pick<Registries, "pull">;
  readonly trust: Pick<Trust, "run">;
  readonly makeForetold: EngineImages["makeForetold"];
};

type Options = Parameters<BaseImages["resolve"]>[1];

export function openBaseImages(parts: BaseImageParts, client: BuildClient, lease: Lease): BaseImages {
  return {
    async resolve(reference, options) {
      if (isLayout(reference)) return await layoutImage({ core: parts.core, client, lease }, reference, options);
      const here = options.pull && mayPull(reference) ? undefined : await findHere(parts, lease, reference, options.platform);
      if (here !== undefined) return here;
      await pull(parts, client, reference, options).catch(async (error: unknown) => Promise.reject((await otherwise(parts, lease, reference, options.platform, error)) ?? error));
      const pulled = await findHere(parts, lease, reference, options.platform);
      if (pulled === undefined) throw fail("not-found", `image ${reference} has nothing for ${formatPlatform(options.platform)}`);
      return pulled;
    },
  };
}

/** It is here after all, but for other machines: that is said, and not only what became of looking elsewhere. */
async function otherwise({ core, documents }: BaseImageParts, lease: Lease, reference: string, platform: Platform, error: unknown): Promise<Failure | undefined> {
  const found = tryFindImage(core.images, reference);
  if (found === undefined || kindOf(error) === "cancelled") return undefined;
  lease.hold(`content/${found.id}`);
  const variants = await documents.variants(found.all[0]!.target);
  if (variants.length === 0 || chooseVariant(variants, platform) !== undefined) return undefined;
  const here = [...new Set(variants.map(({ config }) => formatPlatform(config.platform)))].join(", ");
  const message = `image with reference ${reference} was found but does not provide the specified platform (${formatPlatform(platform)}): here it is for ${here}, and elsewhere: ${messageOf(error)}`;
  return fail(kindOf(error), message, { cause: error });
}

/** An id stands for what is here, and for nothing elsewhere. */
const mayPull = (reference: string): boolean => !/^(?:sha256:)?[a-f0-9]{64}$/.test(reference);

async function findHere(parts: BaseImageParts, lease: Lease, reference: string, platform: Platform): Promise<BaseImage | undefined> {
  const { core, documents, trust, makeForetold } = parts;
  const found = tryFindImage(core.images, reference) ?? ((await makeForetold(reference)) ? tryFindImage(core.images, reference) : undefined);
  if (found === undefined) return undefined;
  lease.hold(`content/${found.id}`);
  const variant = chooseVariant(await documents.variants(found.all[0]!.target), platform);
  if (variant === undefined) return undefined;
  trust.run({ ref: reference, digest: found.id, names: namesOf(found) });
  return await baseImage(core, lease, found, reference, variant);
}

async function baseImage(core: Core, lease: Lease, found: Found, reference: string, { descriptor, manifest, config }: Variant): Promise<BaseImage> {
  lease.hold(`content/${descriptor.digest}`);
  const chain = chainIds(config.diffIds).at(-1) ?? "";
  if (chain !== "") lease.hold(`snapshot/${chain}`);
  const document = parseJson((await core.content.read(manifest.config.digest)).toString("utf8")) as Record<string, unknown>;
  return {
    reference: found.named === undefined ? reference : canonical(withDefaultTag(found.named)),
    digest: found.id,
    manifest: descriptor.digest,
    platform: config.platform,
    document,
    layers: manifest.layers.map((layer, index) => ({ descriptor: layer, diffId: config.diffIds[index]! })),
    chain,
  };
}

async function pull({ registries }: BaseImageParts, client: BuildClient, reference: string, { platform, signal, progress }: Options): Promise<void> {
  const name = canonical(withDefaultTag(parseReference(reference)));
  const auth = await client.credentials(name.slice(0, name.indexOf("/")));
  try {
    for await (const message of registries.pull(name, { platform, signal, ...(auth && { auth }) })) tell(message, progress);
  } catch (error) {
    if (kindOf(error) === "cancelled") throw error;
    throw fail(kindOf(error), error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function tell({ id, status, progressDetail, errorDetail }: Message, progress: Options["progress"]): void {
  if (errorDetail !== undefined) throw fail("unavailable", errorDetail.message);
  if (status !== undefined) progress?.(id ?? "", status, progressDetail?.current ?? 0, progressDetail?.total ?? 0);
}

const namesOf = ({ named, all }: Found) =>
  (named === undefined ? all : all.slice(0, 1)).filter(({ name }) => !isDangling(name)).map(({ name, labels }) => ({ reference: parseReference(name), labels }));
