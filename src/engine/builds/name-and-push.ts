/** What the builder's outputs do in the engine: an image gets its names, and goes to registries. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import type { ExporterParts } from "#builder/export/export.ts";
import type { Core } from "#core/core.ts";
import type { Descriptor } from "#spec/image.ts";
import { canonical, parseReference, type Reference, withDefaultTag } from "#spec/reference.ts";
import type { Transfer } from "#transfer/transfer.ts";
import type { Events } from "../engine.ts";
import { completeTarget } from "../images/complete.ts";
import type { Documents } from "../images/documents.ts";
import { familiarName, imageEvent, nameImage, parseTarget } from "../images/names.ts";
import { pushRefusal } from "../registries/refusals.ts";

export type OutputParts = {
  readonly core: Core;
  readonly documents: Documents;
  readonly publish: Events["publish"];
  readonly transfer: () => Promise<Transfer>;
};

export function outputs({ core, documents, publish, transfer }: OutputParts): Pick<ExporterParts, "name" | "push"> {
  return {
    async name(lease, target, names) {
      const canonicals = names.map(parseTarget);
      await completeTarget({ core, documents, lease, find: (digest) => core.content.find(lease, digest) }, target);
      // A build that changed nothing writes nothing.
      if (isNamed(core, target, canonicals)) await core.db.settled();
      else await nameImage(core.images, target, canonicals);
      for (const name of canonicals) imageEvent(publish, "tag", target.digest, familiarName(name));
    },
    async push(lease, target, { name, byDigest, client, signal, progress }) {
      const reference = withDefaultTag(parseReference(name));
      if (reference.digest !== undefined) throw fail("invalid", "cannot push a digest reference");
      lease.hold(`content/${target.digest}`);
      const credentials = await client.credentials(reference.domain);
      const remote = (await transfer()).open({ registry: reference.domain, path: reference.path }, { credentials });
      const sizes = new Map<string, number>();
      try {
        await (await transfer()).push(remote, target, {
          ...(!byDigest && { tag: reference.tag! }),
          platforms: "all",
          signal,
          progress(event) {
            if (event.kind === "blob") sizes.set(event.descriptor.digest, event.descriptor.size);
            else if (event.kind === "progress") progress(event.digest, "pushing", event.current, event.total);
            else if (event.kind === "pushed") progress(event.digest, "pushed", sizes.get(event.digest) ?? 0, sizes.get(event.digest) ?? 0);
          },
        });
      } catch (error) {
        throw refused(reference, error);
      }
    },
  };
}

function isNamed({ images }: Core, { digest }: Descriptor, names: readonly string[]): boolean {
  return names.length === 0 ? images.byDigest(digest).length > 0 : names.every((name) => images.get(name)?.target.digest === digest);
}

/** In BuildKit's words, which say what it was that did not go. */
function refused(reference: Reference, error: unknown): unknown {
  const kind = kindOf(error);
  if (kind === "cancelled") return error;
  return fail(kind, `failed to push ${canonical(reference)}: ${messageOf(pushRefusal(reference, error))}`, { cause: error });
}
