/** The root file system itself: a folder of the client (local), an archive (tar). Of several platforms each has its folder. */
import { TAR_END, tarHeader } from "#base/tar-write.ts";
import { formatPlatform } from "#spec/platform.ts";
import type { Outcome } from "../build.ts";
import type { ExportWish } from "../builder.ts";
import { internalStep, type Progress } from "../internal-step.ts";
import type { LayerTree } from "../tree.ts";
import { archiveTree } from "./archive-tree.ts";
import { epochOf, isOn } from "./attributes.ts";
import { rootOf } from "./images.ts";
import type { Exported, Parts } from "./open-exporter.ts";
import { remakeArchive } from "./remake-archive.ts";
import { statementFiles } from "./statement-files.ts";

export async function exportFiles(parts: Parts, outcome: Outcome, wish: ExportWish, index: number): Promise<Exported> {
  const { request, client, signal, report, plan } = outcome;
  const files = { parts, outcome, wish, split: isOn(wish.attributes, "platform-split", plan.multiPlatform) };
  const targets = targetsOf(outcome);
  const send = async (archive: AsyncIterable<Uint8Array>, id: string, progress: Progress) => await client.receive(index, wish, told(archive, id, progress), signal);
  if (wish.type === "tar") {
    await internalStep(report, request.ref, "exporting to client tarball", async (progress) => await send(archiveOf(files, targets), "sending tarball", progress));
    return { metadata: {} };
  }
  // Each by itself: a folder's files are told in their order, which those of several together do not have.
  await internalStep(report, request.ref, "exporting to client directory", async (progress) => {
    for (const target of targets) await send(archiveOf(files, [target]), plan.multiPlatform ? `copying files ${target.platform}` : "copying files", progress);
  });
  return { metadata: {} };
}

type Target = { readonly platform: string; readonly folder: string; readonly tree: LayerTree; readonly index: number };

function targetsOf({ plan, solved }: Outcome): Target[] {
  const targets = plan.images.map((image, index) => {
    const platform = formatPlatform(image.platform);
    return { platform, folder: `${platform.replaceAll("/", "_")}/`, tree: rootOf(solved, index), index };
  });
  return targets.toSorted((a, b) => (a.folder < b.folder ? -1 : 1));
}

type Files = { readonly parts: Parts; readonly outcome: Outcome; readonly wish: ExportWish; readonly split: boolean };

async function* archiveOf({ parts, outcome, wish, split }: Files, targets: readonly Target[]): AsyncGenerator<Uint8Array> {
  const { plan, signal } = outcome;
  const epoch = epochOf(wish.attributes, plan.images[0]?.sourceDateEpoch);
  for (const { folder, tree, index } of targets) {
    const archive = archiveTree(parts, tree, { layer: false, signal });
    const added = await statementFiles(parts, outcome, wish, { index, tree, suffix: split || !plan.multiPlatform ? "" : `.${folder.slice(0, -1)}` });
    if (!split && epoch === undefined && targets.length === 1 && added.length === 0) return yield* archive;
    if (split) yield tarHeader({ name: folder, type: "directory", mode: 0o755, sec: epoch ?? 0 });
    yield* remakeArchive(archive, { epoch, added, open: true, ...(split && { folder }) });
  }
  yield TAR_END;
}

const STEP = 2 ** 20;

/** Says now and then how much went. */
export async function* told(archive: AsyncIterable<Uint8Array>, id: string, progress: Progress): AsyncGenerator<Uint8Array> {
  let current = 0;
  let last = 0;
  progress({ id, current, total: 0 });
  for await (const chunk of archive) {
    yield chunk;
    current += chunk.length;
    if (current - last < STEP) continue;
    last = current;
    progress({ id, current, total: 0 });
  }
  progress({ id, current, total: 0, done: true });
}
