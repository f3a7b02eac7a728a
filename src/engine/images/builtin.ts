/** The image that is always there: one static program, so that a container runs before any registry was asked. */
import { readFile } from "node:fs/promises";
import { sha256 } from "#base/digest.ts";
import { tarArchive } from "#base/tar-write.ts";
import { MEDIA } from "#spec/image.ts";
import { hostPlatform } from "#spec/platform.ts";
import { completeTarget, unpackVariant } from "./complete.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import type { ImageParts } from "./images.ts";
import { makeImage } from "./make.ts";
import { nameImage, parseTarget } from "./names.ts";
import { PINNED } from "./pins.ts";

/** The same program gives the same image, so the time is fixed. */
const CREATED = "2026-01-01T00:00:00Z";
const LABEL = "gantry.builtin";

/** Makes the image if nothing has its name, and again when its program has changed. A user's own image is left alone. */
export async function addBuiltin({ core, documents }: ImageParts & { documents: Documents }, name: string, binary: string): Promise<boolean> {
  const canonical = parseTarget(name);
  const program = await readFile(binary);
  const layer = tarArchive([{ name: "hello", type: "file", mode: 0o755, data: program }]);
  const known = core.images.get(canonical);
  const variant = known && chooseVariant(await documents.variants(known.target), undefined);
  const labels = variant?.config.config["Labels"] as Record<string, string> | undefined;
  if (known !== undefined && (labels?.[LABEL] === undefined || labels[LABEL] === sha256(layer))) return false;
  try {
    using lease = core.leases.open();
    const { digest, size } = await core.content.ingest(lease, [layer]);
    const target = await makeImage(core, lease, {
      platform: hostPlatform(),
      created: CREATED,
      config: { Cmd: ["/hello"], Env: ["PATH=/"], WorkingDir: "/", Labels: { [LABEL]: digest } },
      history: [{ created: CREATED, created_by: "gantry", comment: "built in" }],
      layers: [{ descriptor: { mediaType: MEDIA.ociLayer, digest, size }, diffId: digest }],
    });
    await completeTarget({ core, documents, lease, find: (digest) => core.content.find(lease, digest) }, target);
    await unpackVariant(core, lease, chooseVariant(await documents.variants(target), undefined)!);
    await nameImage(core.images, target, [canonical], PINNED);
    return true;
  } finally {
    await core.collect();
  }
}
