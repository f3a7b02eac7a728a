/** `gantry copy`: from registry to registry, without taking anything in. */
import { shortId } from "#spec/digest.ts";
import { familiar, parseReference, type Reference, repository, withDefaultTag } from "#spec/reference.ts";
import type { Transfer } from "#transfer/transfer.ts";
import { messagesOf } from "./messages.ts";
import { pushProgress } from "./push-progress.ts";
import { pullRefusal, pushRefusal } from "./refusals.ts";
import type { CopyOptions, Message } from "./registries.ts";

export type CopyParts = { readonly transfer: Transfer; readonly maxUploads: () => number };

export async function* copyImage({ transfer, maxUploads }: CopyParts, source: string, target: string, options: CopyOptions): AsyncGenerator<Message> {
  const from = withDefaultTag(parseReference(source));
  const to = targetOf(parseReference(target), from);
  const here = transfer.open({ registry: from.domain, path: from.path }, { credentials: options.from });
  const there = transfer.open({ registry: to.domain, path: to.path }, { credentials: options.to });
  const { descriptor } = await here.resolve(from.digest ?? from.tag!, options.signal).catch((error: unknown) => {
    throw pullRefusal(from, error);
  });
  yield { status: `Copying ${familiar(from)} (${shortId(descriptor.digest)}) to repository [${repository(to)}]` };
  let copied = descriptor;
  yield* messagesOf(options.signal, async (send, signal) => {
    const progress = pushProgress(send, maxUploads());
    try {
      copied = await transfer.copy(here, descriptor, there, { ...(to.tag !== undefined && { tag: to.tag }), platforms: options.platforms, signal, progress: progress.pushed });
    } catch (error) {
      throw pushRefusal(to, error);
    }
  });
  yield { status: `${to.tag ?? copied.digest}: digest: ${copied.digest} size: ${copied.size}` };
  yield { progressDetail: {}, aux: { Tag: to.tag ?? "", Digest: copied.digest, Size: copied.size } };
}

/** Where no tag is given, the source's is taken; a source by digest alone goes without a tag. */
function targetOf(to: Reference, from: Reference): Reference {
  if (to.tag !== undefined || from.tag === undefined) return to;
  return { ...to, tag: from.tag };
}
