/** `docker manifest`: documents of a registry as they are, and an index put together from images that are there. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, isIndex, type Manifest, parseConfig, parseIndex, parseTarget } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import { parseReference, type Reference, repository, withDefaultTag } from "#spec/reference.ts";
import type { Remote, Transfer } from "#transfer/transfer.ts";
import { pullRefusal, pushRefusal } from "./refusals.ts";
import type { Access } from "./registries.ts";

/** A document and, of an index, what it lists: each with the platform it says. */
export type RemoteManifest = {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly children?: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
};

/** `children`: of an index, its manifests too. @throws not-found, forbidden, unavailable */
export async function readManifest(transfer: Transfer, name: string, { children, auth, signal }: Access & { readonly children: boolean }): Promise<RemoteManifest> {
  const reference = withDefaultTag(parseReference(name));
  const remote = openRemote(transfer, reference, auth);
  try {
    const { descriptor, bytes } = await remote.manifest(reference.digest ?? reference.tag!, signal);
    const document = parseTarget(bytes, descriptor.mediaType);
    if (!isIndex(document)) return { descriptor: { ...descriptor, platform: await platformOf(remote, document, signal) }, bytes };
    if (!children) return { descriptor, bytes, children: [] };
    return { descriptor, bytes, children: await Promise.all(document.manifests.map((child) => readChild(remote, child, signal))) };
  } catch (error) {
    throw pullRefusal(reference, error);
  }
}

const openRemote = (transfer: Transfer, { domain, path }: Reference, auth: Access["auth"]): Remote =>
  transfer.open({ registry: domain, path }, { credentials: auth });

async function platformOf(remote: Remote, { config }: Manifest, signal: AbortSignal): Promise<Platform> {
  return parseConfig(Buffer.concat(await Array.fromAsync(remote.blob(config, signal)))).platform;
}

async function readChild(remote: Remote, child: Descriptor, signal: AbortSignal) {
  const { bytes } = await remote.manifest(child.digest, signal);
  return { descriptor: child, bytes };
}

export type IndexPush = {
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** The repository of the same registry that has a manifest, where it is not the target's own. */
  readonly sources: ReadonlyMap<Digest, string>;
};

/**
 * Makes the target's repository have what the index lists, by mounting, and puts the index there under the name's tag.
 * @throws invalid when a source is another registry's, or there is none for a manifest that the target does not have.
 */
export async function pushIndex(transfer: Transfer, name: string, { mediaType, bytes, sources }: IndexPush, { auth, signal }: Access): Promise<{ digest: Digest; pushed: Digest[] }> {
  const target = withDefaultTag(parseReference(name));
  const index = parseIndex(bytes, mediaType);
  const remote = openRemote(transfer, target, auth);
  const pushed: Digest[] = [];
  try {
    for (const child of index.manifests) {
      const source = sources.get(child.digest);
      if (source === undefined) continue;
      const from = parseReference(source);
      if (from.domain !== target.domain) throw fail("invalid", `cannot use source images from a different registry than the target image: ${from.domain} != ${target.domain}`);
      if (repository(from) === repository(target)) continue;
      await transfer.copy(openRemote(transfer, from, auth), child, remote, { platforms: "all", signal });
      pushed.push(child.digest);
    }
    const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
    await transfer.put(remote, { descriptor, bytes }, { ...(target.tag !== undefined && { tag: target.tag }), signal });
    return { digest: descriptor.digest, pushed };
  } catch (error) {
    throw pushRefusal(target, error);
  }
}
