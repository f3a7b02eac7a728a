/**
 * Lists of manifests that are being put together, as docker keeps them: `manifests/LIST/MANIFEST` in the folder of
 * config.json, a file each, so that either client goes on where the other left off.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "#base/errors.ts";
import type { Descriptor } from "#spec/image.ts";
import { canonical, parseReference, type Reference, withDefaultTag } from "#spec/reference.ts";
import type { Cli } from "../../client.ts";
import { configFolder } from "../../connect/config.ts";

export type Platform = { architecture: string; os: string; "os.version"?: string; "os.features"?: string[]; variant?: string };

/** One manifest of a list. `Raw` is base64. */
export type ListedManifest = {
  readonly Ref: string;
  readonly Descriptor: Omit<Descriptor, "platform"> & { readonly platform?: Platform };
  readonly Raw: string;
  readonly SchemaV2Manifest?: unknown;
  readonly OCIManifest?: unknown;
};

export type State = {
  /** In the order of their names. undefined: there is no such list. */
  list(list: Reference): ListedManifest[] | undefined;
  get(list: Reference, manifest: Reference): ListedManifest | undefined;
  put(list: Reference, manifest: Reference, value: ListedManifest): void;
  remove(list: Reference): void;
};

export function openState({ globals, env }: Pick<Cli, "globals" | "env">): State {
  const root = join(configFolder(globals.config, env), "manifests");
  const folderOf = (list: Reference) => join(root, fileName(list));
  const read = (path: string): ListedManifest | undefined => {
    try {
      return JSON.parse(readFileSync(path, "utf8")) as ListedManifest;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw fail("invalid", `read ${path}: ${(error as Error).message}`, { cause: error });
    }
  };
  return {
    list(list) {
      const names = entriesOf(folderOf(list));
      return names?.map((name) => read(join(folderOf(list), name))).filter((one) => one !== undefined);
    },
    get: (list, manifest) => read(join(folderOf(list), fileName(manifest))),
    put(list, manifest, value) {
      mkdirSync(folderOf(list), { recursive: true, mode: 0o755 });
      const path = join(folderOf(list), fileName(manifest));
      // Whole or not at all; the name of the part is not one that a list could hold.
      const part = join(root, `.${process.pid}.part`);
      writeFileSync(part, JSON.stringify(value), { mode: 0o644 });
      renameSync(part, path);
    },
    remove: (list) => rmSync(folderOf(list), { recursive: true, force: true }),
  };
}

/** A reference has no "_" or "-" where these stand for something else that matters: docker's own way. */
const fileName = (reference: Reference): string => canonical(reference).replaceAll(":", "-").replaceAll("/", "_");

function entriesOf(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** With ":latest" where nothing is said. @throws invalid */
export const readName = (text: string): Reference => withDefaultTag(parseReference(text));

export const noSuch = (list: Reference): Error => fail("not-found", `No such manifest: ${canonical(list)}`);
