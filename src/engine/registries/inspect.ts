/** What a registry says of a reference: digest, size and platforms, without taking anything in. */
import { type Descriptor, isIndex, parseConfig, parseTarget } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import { parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Remote, Transfer } from "#transfer/transfer.ts";
import { pullRefusal } from "./refusals.ts";
import type { Access } from "./registries.ts";

export async function inspectRemote(transfer: Transfer, name: string, { auth, signal }: Access): Promise<{ descriptor: Descriptor; platforms: Platform[] }> {
  const reference = withDefaultTag(parseReference(name));
  const remote = transfer.open({ registry: reference.domain, path: reference.path }, { credentials: auth });
  try {
    const { descriptor, bytes } = await remote.manifest(reference.digest ?? reference.tag!, signal);
    return { descriptor, platforms: await platformsOf(remote, descriptor, bytes, signal) };
  } catch (error) {
    throw pullRefusal(reference, error);
  }
}

async function platformsOf(remote: Remote, { mediaType }: Descriptor, bytes: Buffer, signal: AbortSignal): Promise<Platform[]> {
  const document = parseTarget(bytes, mediaType);
  if (isIndex(document)) return document.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
  const config = Buffer.concat(await Array.fromAsync(remote.blob(document.config, signal)));
  return [parseConfig(config).platform];
}
