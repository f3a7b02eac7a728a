/** The index of an OCI layout on the disk: which name is which manifest. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fail } from "#base/errors.ts";

export type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number; readonly annotations?: Readonly<Record<string, string>> };
type Index = { readonly manifests?: readonly Descriptor[] };

const NAME = "org.opencontainers.image.ref.name";

/** Undefined: there is no such name. A layout of one manifest is that, whatever it is called. */
export function findInLayout(folder: string, name: string): string | undefined {
  const { manifests = [] } = readIndex(folder) ?? {};
  const found = manifests.find(({ annotations }) => annotations?.[NAME] === name) ?? (manifests.length === 1 ? manifests[0] : undefined);
  return found?.digest;
}

export function nameInLayout(folder: string, name: string, descriptor: Descriptor): void {
  const { manifests = [] } = readIndex(folder) ?? {};
  const others = manifests.filter(({ digest, annotations }) => annotations?.[NAME] !== name && digest !== descriptor.digest);
  mkdirSync(folder, { recursive: true });
  write(`${folder}/oci-layout`, { imageLayoutVersion: "1.0.0" });
  const named = { ...descriptor, annotations: { ...descriptor.annotations, [NAME]: name } };
  write(`${folder}/index.json`, { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [...others, named] });
}

function readIndex(folder: string): Index | undefined {
  let text: string;
  try {
    text = readFileSync(`${folder}/index.json`, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Index;
  } catch (error) {
    throw fail("invalid", `read ${folder}/index.json: it is no JSON`, { cause: error });
  }
}

function write(path: string, value: object): void {
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(value));
  renameSync(`${path}.${process.pid}`, path);
}
