/** The root file system itself: a folder of the client (local), an archive (tar). Of several platforms each has its folder. */
import { TAR_END, tarHeader } from "#base/tar-write.ts";
import { formatPlatform } from "#spec/platform.ts";
import type { Outcome } from "../build.ts";
import type { ExportWish } from "../builder.ts";
import { internalStep, type Progress } from "../internal-step.ts";
import { archiveTree } from "./archive-tree.ts";
import { epochOf, isOn } from "./attributes.ts";
import { rootOf } from "./images.ts";
import type { Exported, Parts } from "./open-exporter.ts";
import { remakeArchive } from "./remake-archive.ts";

export async function exportFiles(parts: Parts, outcome: Outcome, wish: ExportWish, index: number): Promise<Exported> {
  const { request, client, signal, report } = outcome;
  const local = wish.type === "local";
  await internalStep(report, request.ref, local ? "exporting to client directory" : "exporting to client tarball", async (progress) => {
    await client.receive(index, wish, told(filesOf(parts, outcome, wish), local ? "copying files" : "sending tarball", progress), signal);
  });
  return { metadata: {} };
}

async function* filesOf(parts: Parts, outcome: Outcome, { attributes }: ExportWish): AsyncGenerator<Uint8Array> {
  const { plan, solved, signal } = outcome;
  const epoch = epochOf(attributes, plan.images[0]?.sourceDateEpoch);
  const targets = plan.images.map(({ platform }, index) => ({ folder: `${formatPlatform(platform).replaceAll("/", "_")}/`, tree: rootOf(solved, index) }));
  const split = isOn(attributes, "platform-split", plan.multiPlatform);
  for (const { folder, tree } of targets.toSorted((a, b) => (a.folder < b.folder ? -1 : 1))) {
    const archive = archiveTree(parts, tree, { layer: false, signal });
    if (!split && epoch === undefined && targets.length === 1) return yield* archive;
    if (split) yield tarHeader({ name: folder, type: "directory", mode: 0o755, sec: epoch ?? 0 });
    yield* remakeArchive(archive, { epoch, open: true, ...(split && { folder }) });
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
  progress({ id, current, total: current, done: true });
}
