/**
 * A container's own layer becomes the topmost of an image: `docker commit`. The layer is read once: archived by `cell`,
 * hashed and stored as it is: compressing it would take twice as long as all the rest. It is unpacked when the image is first run: many a committed image is only pushed or saved,
 * and writing and syncing the files twice would be most of the work.
 */
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { Core } from "#core/core.ts";
import { takeLayer } from "#core/layers/take-layer.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, MEDIA, parseConfig, parseManifest } from "#spec/image.ts";
import { isRunning, publish, type Context } from "../containers/context.ts";
import { pause, unpause } from "../containers/run/pause.ts";
import type { ContainerRecord, Events } from "../engine.ts";
import { completeTarget } from "../images/complete.ts";
import { openDocuments } from "../images/documents.ts";
import { makeImage } from "../images/make.ts";
import { familiarName, imageEvent, nameImage, parseTarget } from "../images/names.ts";
import { commitConfig } from "./commit-config.ts";
import type { CommitOptions } from "./files.ts";
import { containerLayer } from "./layer.ts";
import { fileFailure } from "./stat.ts";
import { hold } from "./view.ts";

type Parts = { readonly ctx: Context; readonly core: Core; readonly publish: Events["publish"] };
type NewLayer = { readonly descriptor: Descriptor; readonly diffId: Digest };

export async function commit({ ctx, core, publish: tell }: Parts, ref: string, options: CommitOptions): Promise<Digest> {
  const record = ctx.store.find(ref);
  const names = options.target === "" ? [] : [parseTarget(options.target)];
  const config = commitConfig(record.config, options.config, options.changes);
  const base = await baseImage(core, record);
  try {
    using lease = core.leases.open();
    lease.hold(`content/${record.manifestDigest as Digest}`);
    const layer = await stilled(ctx, record, options, () => takeContainerLayer(ctx, core, { record, ref, lease, signal: options.signal }));
    const created = formatTime(nowNanos());
    const { author, comment } = options;
    const entry = { created, ...(author && { author }), created_by: (record.config.Cmd ?? []).join(" "), ...(comment && { comment }) };
    const image = { platform: record.platform, created, author, config, history: [...base.history, entry], layers: [...base.layers, layer] };
    const target = await makeImage(core, lease, image);
    const documents = openDocuments(core.content);
    await completeTarget({ core, documents, lease, find: (digest) => core.content.find(lease, digest) }, target);
    await nameImage(core.images, target, names);
    const name = names.map(familiarName)[0];
    publish(ctx, record, "commit", { comment, imageID: target.digest, imageRef: name ?? "" });
    if (name !== undefined) imageEvent(tell, "tag", target.digest, name);
    return target.digest;
  } finally {
    await core.collect();
  }
}

/** The image as it was when the container was made: the container holds its manifest and all it leads to. */
async function baseImage(core: Core, record: ContainerRecord): Promise<{ layers: NewLayer[]; history: Record<string, unknown>[] }> {
  const bytes = await core.content.read(record.manifestDigest as Digest);
  const { mediaType = MEDIA.ociManifest } = parseJson(bytes.toString("utf8")) as { mediaType?: string };
  const manifest = parseManifest(bytes, mediaType);
  const document = await core.content.read(manifest.config.digest);
  const { diffIds } = parseConfig(document);
  const { history } = parseJson(document.toString("utf8")) as { history?: Record<string, unknown>[] | null };
  const layers = manifest.layers.map((descriptor, index) => ({ descriptor: { ...descriptor, mediaType: ociType(descriptor.mediaType) }, diffId: diffIds[index]! }));
  return { layers, history: history ?? [] };
}

/** The new manifest is OCI's, and so are its layers' types. */
const ociType = (mediaType: string): string =>
  mediaType === MEDIA.dockerLayer ? MEDIA.ociLayer : mediaType.startsWith(`${MEDIA.dockerLayer}.`) ? mediaType.replace(`${MEDIA.dockerLayer}.`, `${MEDIA.ociLayer}+`) : mediaType;

/** Nobody starts it meanwhile; if it runs, it is frozen, unless that is not wanted. */
async function stilled<T>(ctx: Context, { id }: ContainerRecord, options: CommitOptions, work: () => Promise<T>): Promise<T> {
  await using undo = new AsyncDisposableStack();
  const record = ctx.store.find(id);
  if (!isRunning(record)) {
    const release = await hold(ctx.lives.of(id).lock, options.signal);
    undo.defer(release);
    if (isRunning(ctx.store.find(id))) throw fail("conflict", `container ${id} has just been started: try again`);
  } else if (options.pause && record.state.status !== "paused") {
    await pause(ctx, id);
    // It may have been killed.
    undo.defer(() => unpause(ctx, id).catch(() => {}));
  }
  return await work();
}

type Taking = { readonly record: ContainerRecord; readonly ref: string; readonly lease: Lease; readonly signal: AbortSignal };

async function takeContainerLayer(ctx: Context, core: Core, { record, ref, lease, signal }: Taking): Promise<NewLayer> {
  try {
    return await takeLayer({ kernel: ctx.kernel, content: core.content }, lease, containerLayer(ctx, record), { signal });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EILSEQ") {
      throw fail("invalid", `commit ${ref}: a file's name begins with ".wh.", which in a layer says that another file is deleted: remove or rename it`, { cause: error });
    }
    if (error instanceof Error && "code" in error && error.code === "ENAMETOOLONG") {
      throw fail("invalid", `commit ${ref}: a layer holds no path of more than 1024 components, and no path of 4096 bytes or more: remove what lies so deep`, { cause: error });
    }
    throw fileFailure(error, "/", ref);
  }
}
