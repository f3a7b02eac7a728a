/** Where the builder's cache elsewhere is found: names of images that are here, and repositories of registries. */
import { openRemoteCache, type RemoteCache, type RemoteCacheParts } from "#builder/cache/remote/remote.ts";
import { parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Transfer } from "#transfer/transfer.ts";
import { tryFindImage } from "../images/find.ts";

export type Parts = Pick<RemoteCacheParts, "core" | "push"> & { readonly transfer: () => Promise<Transfer> };

export function remoteCache({ core, push, transfer }: Parts): RemoteCache {
  return openRemoteCache({
    core,
    push,
    here: (reference) => tryFindImage(core.images, reference)?.all[0]?.target,
    async open(reference, client) {
      const name = withDefaultTag(parseReference(reference));
      const credentials = await client.credentials(name.domain);
      return { remote: (await transfer()).open({ registry: name.domain, path: name.path }, { credentials }), tag: name.digest ?? name.tag! };
    },
  });
}
