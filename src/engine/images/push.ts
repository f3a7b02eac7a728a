/** `docker push`: a name here, or all names of a repository, to the registry that the name says. */
import { fail } from "#base/errors.ts";
import type { Core } from "#core/core.ts";
import { type Image, isDangling } from "#core/images/images.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, isIndexType } from "#spec/image.ts";
import { familiar, familiarRepository, parseReference, type Reference, repository, tryReference } from "#spec/reference.ts";
import type { PushEvent, Transfer } from "#transfer/transfer.ts";
import type { Events } from "../engine.ts";
import { messagesOf } from "../registries/messages.ts";
import type { Origins } from "../registries/origins.ts";
import { pushProgress } from "../registries/push-progress.ts";
import { pushRefusal } from "../registries/refusals.ts";
import type { Message, PushOptions } from "../registries/registries.ts";
import { imageEvent } from "./names.ts";

export type PushParts = {
  readonly core: Core;
  readonly transfer: Transfer;
  readonly origins: Origins;
  readonly publish: Events["publish"];
  readonly maxUploads: () => number;
};

type Tagged = { readonly reference: Reference; readonly image: Image };

export async function* pushImages(parts: PushParts, name: string, options: PushOptions): AsyncGenerator<Message> {
  const given = parseReference(options.tag === undefined ? name : `${name}:${options.tag}`);
  if (given.digest !== undefined) throw fail("invalid", "cannot push a digest reference");
  const images = imagesOf(parts.core, given);
  if (images.length === 0) throw fail("not-found", noneText(given));
  yield { status: `The push refers to repository [${repository(given)}]` };
  for (const one of images) yield* pushOne(parts, one, options);
  imageEvent(parts.publish, "push", familiar(given), familiarRepository(given));
}

const noneText = (reference: Reference): string =>
  reference.tag === undefined ? `An image does not exist locally with the tag: ${familiarRepository(reference)}` : `tag does not exist: ${familiar(reference)}`;

/** The tag; without one, all tags of the repository. */
function imagesOf({ images }: Core, given: Reference): Tagged[] {
  return images.list().flatMap((image) => {
    const reference = isDangling(image.name) ? undefined : tryReference(image.name);
    if (reference?.tag === undefined || repository(reference) !== repository(given)) return [];
    return given.tag === undefined || given.tag === reference.tag ? [{ reference, image }] : [];
  });
}

async function* pushOne(parts: PushParts, { reference, image: { target } }: Tagged, options: PushOptions): AsyncGenerator<Message> {
  const { core, transfer, origins } = parts;
  const remote = transfer.open({ registry: reference.domain, path: reference.path }, { credentials: options.auth });
  using lease = core.leases.open();
  lease.hold(`content/${target.digest}`);
  const there = new Set<Digest>();
  let pushed = target;
  yield* messagesOf(options.signal, async (send, signal) => {
    const progress = pushProgress(send, parts.maxUploads());
    const onEvent = (event: PushEvent) => {
      if (event.kind === "exists" || event.kind === "mounted" || event.kind === "pushed") there.add(event.digest);
      progress.pushed(event);
    };
    try {
      pushed = await transfer.push(remote, target, {
        tag: reference.tag!,
        platforms: options.platform === undefined ? "all" : [options.platform],
        signal,
        progress: onEvent,
        sources: (digest) => origins.of(reference.domain, digest).filter((path) => path !== reference.path),
      });
    } catch (error) {
      throw pushRefusal(reference, error);
    } finally {
      // Also of a push that failed: what came through needs no second sending.
      await origins.record(repository(reference), [...there]);
    }
  });
  yield* summary(reference.tag!, pushed, target, options.platform !== undefined);
}

/** The line people and scripts read, and the same for programs. */
function* summary(tag: string, { digest, size, ...pushed }: Descriptor, target: Descriptor, platformAsked: boolean): Generator<Message> {
  yield { status: `${tag}: digest: ${digest} size: ${size}` };
  yield { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } };
  if (digest === target.digest || platformAsked || !isIndexType(target.mediaType)) return;
  const brief = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  yield { progressDetail: {}, aux: { manifestPushedInsteadOfIndex: true, originalIndex: brief(target), selectedManifest: brief({ ...pushed, digest, size }) } };
}
