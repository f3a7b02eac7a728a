/**
 * Docker's images: names, ids and what is done with them, over the core's content, snapshots and names. No HTTP.
 *
 *     const images = openImages({ core, users: containers, publish: events.publish });
 *     for await (const step of images.load(request, { signal })) …
 *     const { snapshot, config } = await images.resolve("busybox", {});
 *     await images.remove("busybox", { force: false, noprune: false });
 *
 * An image is what a name leads to: a manifest or an index, whose digest is the image's id (as Docker 29 has it). What was
 * loaded is kept as it came: the compressed layers, the manifests; and unpacked, ready to run. An operation works under a
 * lease, and what it leaves unnamed is collected when it ends, however it ends.
 */
import type { Core } from "#core/core.ts";
import type { Trust } from "#transfer/trust/trust.ts";
import type { ResolveImage } from "../containers/images.ts";
import type { Images, RemovedImage } from "../api/api.ts";
import type { Events } from "../engine.ts";
import type { ForetoldImage } from "./foretold.ts";

export { openImages } from "./open-images.ts";

export type EngineImages = Images &
  ResolveImage & {
    /** Makes sure that there is an image of the program at `binary` under `name`. True if it was made now. */
    addBuiltin(name: string, binary: string): Promise<boolean>;
    /** Of an image that a build has come by: it is made when somebody asks for it by its id. */
    foretell(image: ForetoldImage): void;
    /** False: there is none whose id begins so. */
    makeForetold(id: string): Promise<boolean>;
    /** Removes an image with all its names if no container uses it now; undefined: one does, or it is gone. */
    removeUnused(id: string): Promise<RemovedImage[] | undefined>;
    /** Writes down when images were last used. */
    flushUse(): Promise<void>;
  };

/** Containers, as far as images need them: by image id, and by the digest of their platform's manifest. */
export type ImageUsers = {
  usedManifests(): ReadonlyMap<string, readonly string[]>;
  usedImages(): ReadonlyMap<string, { readonly running: boolean; readonly ids: readonly string[] }>;
};

export type ImageParts = {
  readonly core: Core;
  readonly users: ImageUsers;
  readonly publish: Events["publish"];
  readonly trust: Pick<Trust, "admit" | "run">;
};
