/**
 * `docker pull`: from a reference to an image that is here, whole, unpacked and named. See registries.ts.
 *
 * What is asked for is resolved anew for each pull; who gets the same digest shares the work. Layers are unpacked while
 * they come (`ahead`), so that download, hashing, decompression and unpacking overlap.
 */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import type { Core } from "#core/core.ts";
import type { Node } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { chainIds, type Descriptor, isManifestType, parseConfig, parseManifest } from "#spec/image.ts";
import { formatPlatform, hostPlatform, type Platform, platformFit } from "#spec/platform.ts";
import { canonical, familiar, familiarRepository, parseReference, type Reference, repository } from "#spec/reference.ts";
import type { FetchEvent, Remote, Transfer } from "#transfer/transfer.ts";
import { approvalLabels, type Trust } from "#transfer/trust/trust.ts";
import type { Events } from "../engine.ts";
import { messagesOf } from "../registries/messages.ts";
import type { Origins } from "../registries/origins.ts";
import { pullProgress } from "../registries/pull-progress.ts";
import type { Message, PullOptions } from "../registries/registries.ts";
import type { Shared, Work } from "../registries/shared.ts";
import { pullRefusal } from "../registries/refusals.ts";
import { completeTarget, unpackVariant } from "./complete.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import { imageEvent, nameImage } from "./names.ts";

export type PullParts = {
  readonly core: Core;
  readonly documents: Documents;
  readonly transfer: Transfer;
  readonly origins: Origins;
  readonly shared: Shared<Brought>;
  readonly publish: Events["publish"];
  readonly trust: Pick<Trust, "admit" | "check">;
  /** Layers that come side by side. */
  readonly maxDownloads: () => number;
};

/** An image that is here, held by a lease; `changed`: something of it was not, before. */
export type Brought = { readonly changed: boolean; readonly nodes: readonly Node[]; readonly blobs: readonly Digest[] };

/** Seconds for which what an interrupted pull brought is kept for the next one. */
const KEPT = 7 * 24 * 3600;

export async function* pullImages(parts: PullParts, name: string, options: PullOptions): AsyncGenerator<Message> {
  const reference = parseReference(name);
  parts.trust.admit("pull", reference);
  const remote = parts.transfer.open({ registry: reference.domain, path: reference.path }, { credentials: options.auth });
  const tags = reference.tag === undefined && reference.digest === undefined ? await allTags(remote, reference, options.signal) : undefined;
  const wanted = tags?.map((tag): Reference => ({ ...reference, tag })) ?? [pinned(reference)];
  let changed = false;
  try {
    for (const one of wanted) changed = (yield* pullOne(parts, remote, one, options)) || changed;
  } catch (error) {
    await parts.core.collect();
    throw error;
  }
  imageEvent(parts.publish, "pull", familiar(reference), familiarRepository(reference));
  yield { status: `Status: ${changed ? "Downloaded newer image" : "Image is up to date"} for ${familiar(reference)}` };
}

/** With tag and digest the digest decides, and the name is the digest's. */
function pinned({ tag, ...reference }: Reference): Reference {
  return reference.digest !== undefined || tag === undefined ? reference : { ...reference, tag };
}

async function allTags(remote: Remote, reference: Reference, signal: AbortSignal): Promise<string[]> {
  try {
    return await Array.fromAsync(remote.tags(signal));
  } catch (error) {
    throw pullRefusal(reference, error);
  }
}

/** True when anything changed. */
async function* pullOne(parts: PullParts, remote: Remote, reference: Reference, options: PullOptions): AsyncGenerator<Message, boolean> {
  const { core } = parts;
  const wanted = reference.digest ?? reference.tag!;
  const { descriptor } = await remote.resolve(wanted, options.signal).catch((error: unknown) => {
    throw pullRefusal(reference, error);
  });
  const target: Descriptor = { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size };
  const labels = approvalLabels(await parts.trust.check(reference, target, remote, options.signal), target.digest);
  yield { status: `Pulling from ${reference.path}`, id: wanted };
  const name = canonical(reference);
  let changed = core.images.get(name)?.target.digest !== target.digest;
  yield* messagesOf(options.signal, async (send, signal) => {
    const lines = quietUntilChanged(send);
    await parts.shared.join(keyOf(reference, target, options), {
      begin: (tell, stop) => bring(parts, remote, target, { platform: options.platform, send: tell, signal: stop, reference }),
      send: lines.send,
      signal,
      async use(brought) {
        changed ||= brought.changed;
        if (changed) lines.flush();
        // One transaction.
        await Promise.all([nameImage(core.images, target, [name], labels), core.kept.drop(brought.nodes), parts.origins.record(repository(reference), brought.blobs)]);
      },
    });
  });
  yield { status: `Digest: ${target.digest}` };
  return changed;
}

function keyOf(reference: Reference, { digest }: Descriptor, { auth, platform }: PullOptions): string {
  return JSON.stringify([repository(reference), digest, platform === undefined ? "" : formatPlatform(platform), auth ?? null]);
}

/** An image that is up to date says nothing of its layers, as in Docker. */
function quietUntilChanged(send: (message: Message) => void): { send(message: Message): void; flush(): void } {
  let held: Message[] | undefined = [];
  const flush = () => {
    for (const message of held ?? []) send(message);
    held = undefined;
  };
  return {
    flush,
    send(message) {
      if (held !== undefined && message.status === "Already exists") return void held.push(message);
      flush();
      send(message);
    },
  };
}

type BringOptions = { platform: Platform | undefined; send: (message: Message) => void; signal: AbortSignal; reference: Reference };

/** Everything the target leads to, for the platform, into the store, and unpacked. Held until the work is disposed of. */
async function bring(parts: PullParts, remote: Remote, target: Descriptor, { platform, send, signal, reference }: BringOptions): Promise<Work<Brought>> {
  const { core, documents, transfer } = parts;
  await using held = new AsyncDisposableStack();
  const lease = held.use(core.leases.open());
  const ahead = held.use(core.layers.ahead());
  const progress = pullProgress(send, parts.maxDownloads());
  const nodes = new Set<Node>();
  let changed = false;
  const onEvent = (event: FetchEvent) => {
    if (event.kind === "manifest" || event.kind === "layer") keep(event.descriptor.digest);
    // The configuration, which is not spoken of before.
    if (event.kind === "done") keep(event.digest);
    if (event.kind === "layer" && !event.here) changed = true;
    progress.fetched(event);
  };
  // Before a layer's bytes come: their row is written later, so a kill at any moment leaves no layer that is not kept.
  const keep = (digest: Digest) => {
    const node: Node = `content/${digest}`;
    if (nodes.has(node)) return;
    nodes.add(node);
    core.kept.keep([node], KEPT).catch(() => undefined);
  };
  try {
    await checkSinglePlatform(parts, remote, target, { platform, signal, reference });
    await transfer.fetch(remote, target, { lease, platforms: [platform ?? hostPlatform()], signal, progress: onEvent, tee: () => ahead.begin() });
    const variant = chooseVariant(await documents.variants(target), platform);
    if (variant === undefined) throw noMatch(reference, platform);
    const top = chainIds(variant.config.diffIds).at(-1);
    changed ||= top !== undefined && core.snapshots.stat(top) === undefined;
    await Promise.all([
      completeTarget({ core, documents, lease, find: (digest) => core.content.find(lease, digest) }, target),
      unpackVariant(core, lease, variant, { signal, progress: progress.extracted }),
    ]);
    progress.complete();
    const blobs = [variant.manifest.config, ...variant.manifest.layers].map(({ digest }) => digest);
    const kept = held.move();
    return { value: { changed, nodes: [...nodes], blobs }, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  } catch (error) {
    if (!isInterruption(error)) await core.kept.drop([...nodes]);
    throw withHost(reference, error);
  }
}

/** What is wrong with the bytes says whose they were. */
function withHost(reference: Reference, error: unknown): unknown {
  if (kindOf(error) !== "invalid" || messageOf(error).includes(reference.domain)) return error;
  return fail("invalid", `pull ${familiar(reference)}: ${messageOf(error)}`, { cause: error });
}

/** What was interrupted may go on later; what was wrong would be wrong again, and a full disk wants its room back. */
function isInterruption(error: unknown): boolean {
  const kind = kindOf(error);
  return kind === "cancelled" || kind === "unavailable";
}

type Wanted = { readonly platform: Platform | undefined; readonly signal: AbortSignal; readonly reference: Reference };

/** An image that is for one platform has to be for the one that was asked for: seen from its configuration, before its layers come. */
async function checkSinglePlatform({ core }: PullParts, remote: Remote, target: Descriptor, { platform, signal, reference }: Wanted): Promise<void> {
  if (platform === undefined || !isManifestType(target.mediaType) || core.content.stat(target.digest) !== undefined) return;
  const { bytes } = await remote.manifest(target.digest, signal);
  const { config } = parseManifest(bytes, target.mediaType);
  const its = parseConfig(Buffer.concat(await Array.fromAsync(remote.blob(config, signal)))).platform;
  if (platformFit(platform, its) === 0) throw noMatch(reference, platform);
}

function noMatch(reference: Reference, platform: Platform | undefined): Error {
  return fail("not-found", `image with reference ${familiar(reference)} was found but does not provide the specified platform (${formatPlatform(platform ?? hostPlatform())})`);
}
