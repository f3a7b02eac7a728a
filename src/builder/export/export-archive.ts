/** Images as archives: OCI's layout, and Docker's, which `docker load` of every age reads. Or the layout's blobs in a folder of the client. */
import { fail } from "#base/errors.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";
import { digits } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import { canonical, familiar, parseReference, type Reference, withDefaultTag } from "#spec/reference.ts";
import type { Outcome } from "../build.ts";
import type { ExportWish } from "../builder.ts";
import { internalStep } from "../internal-step.ts";
import { imageOptions } from "./attributes.ts";
import { told } from "./export-files.ts";
import { imageMetadata, sayManifests } from "./export-image.ts";
import { type MadeImages, makeImages, plainPlatform } from "./images.ts";
import type { Exported, Parts } from "./open-exporter.ts";

export async function exportArchive(parts: Parts, outcome: Outcome, wish: ExportWish, index: number): Promise<Exported> {
  const { request, lease, plan, client, signal, report } = outcome;
  const docker = wish.type === "docker";
  const options = imageOptions(wish, plan.images[0]?.sourceDateEpoch);
  const names = options.names.map((name) => withDefaultTag(parseReference(name)));
  if (docker && plan.multiPlatform) throw fail("invalid", "docker exporter does not currently support exporting manifest lists");
  return await internalStep(report, request.ref, `exporting to ${docker ? "docker" : "oci"} image format`, async (progress) => {
    progress({ id: "exporting layers", current: 0, total: 0 });
    const made = await makeImages({ ...parts, lease, outcome: docker ? withoutAttestations(outcome) : outcome, options, inline: parts.inline?.(outcome) });
    progress({ id: "exporting layers", current: 0, total: 0, done: true });
    sayManifests(progress, made);
    if (wish.attributes["tar"] === "false") await fillFolder(parts, outcome, made);
    else await client.receive(index, wish, told(writeFiles(parts, filesOf(made, names, docker), signal), "sending tarball", progress), signal);
    const config = made.images[0]?.manifest.digest === made.target.digest ? { "containerimage.config.digest": made.images[0]!.config.digest } : {};
    return { metadata: { ...imageMetadata(made.target, options.names), ...config }, image: made.target.digest };
  });
}

/** Docker's archives hold one manifest. */
const withoutAttestations = (outcome: Outcome): Outcome => ({ ...outcome, request: { ...outcome.request, attestations: {} } });

/** The client writes the layout's index itself. */
async function fillFolder({ core }: Parts, { client, signal }: Outcome, { blobs }: MadeImages): Promise<void> {
  const store = await client.store?.("export");
  if (store === undefined) throw fail("invalid", "export an OCI layout into a folder: the client offers none");
  for (const { digest, size } of blobs) await store.write({ digest, size }, core.content.stream(digest), signal);
}

type File = { readonly name: string; readonly size: number; readonly content: Buffer | Descriptor["digest"] };

const NAME = "io.containerd.image.name";
const REF = "org.opencontainers.image.ref.name";

function filesOf({ target, images, blobs }: MadeImages, names: readonly Reference[], docker: boolean): File[] {
  const path = (digest: Descriptor["digest"]): string => `blobs/sha256/${digits(digest)}`;
  const all = new Map(blobs.map(({ digest, size }) => [digest, { name: path(digest), size, content: digest }]));
  const platform = images.find(({ manifest }) => manifest.digest === target.digest)?.platform;
  const listed = { ...target, ...(platform !== undefined && { platform: plainPlatform(platform) }) };
  const entries = names.length === 0 ? [listed] : names.map((name) => ({ ...listed, annotations: { ...target.annotations, [NAME]: canonical(name), ...(name.tag !== undefined && { [REF]: name.tag }) } }));
  const index = text("index.json", { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: entries });
  const [image] = images;
  const manifest = docker && image !== undefined ? [text("manifest.json", [{ Config: path(image.config.digest), RepoTags: names.map(familiar), Layers: image.layers.map(({ descriptor }) => path(descriptor.digest)) }])] : [];
  return [...[...all.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)), index, ...manifest, text("oci-layout", { imageLayoutVersion: "1.0.0" })];
}

function text(name: string, value: unknown): File {
  const content = Buffer.from(JSON.stringify(value));
  return { name, size: content.length, content };
}

async function* writeFiles({ core }: Parts, files: readonly File[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield Buffer.concat(["blobs/", "blobs/sha256/"].map((name) => tarHeader({ name, type: "directory", mode: 0o755 })));
  for (const { name, size, content } of files) {
    signal.throwIfAborted();
    yield tarHeader({ name, type: "file", mode: 0o444, size });
    if (typeof content === "string") yield* core.content.stream(content);
    else yield content;
    yield tarPadding(size);
  }
  yield TAR_END;
}
