/** A folder with an OCI layout, sent as the archive it would be: only what a layout has, and no links. */
import { createReadStream, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fail } from "#base/errors.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";

const CHUNK = 1024 * 1024;

/** @throws invalid when it is no layout */
export function openLayout(folder: string): Readable {
  const blobs = filesBelow(folder, "blobs");
  for (const name of ["oci-layout", "index.json"]) {
    if (!isFile(join(folder, name))) throw fail("invalid", `load ${folder}: it is no OCI layout: it has no ${name}`);
  }
  // The documents first: an engine that refuses them need not take the blobs.
  return Readable.from(archiveOf(folder, ["oci-layout", "index.json", ...blobs]), { objectMode: false, highWaterMark: CHUNK });
}

/** "blobs/sha256/DIGITS": two levels, regular files. */
function filesBelow(folder: string, blobs: string): string[] {
  const algorithms = isFolder(join(folder, blobs)) ? readdirSync(join(folder, blobs)) : [];
  return algorithms
    .filter((algorithm) => isFolder(join(folder, blobs, algorithm)))
    .flatMap((algorithm) => readdirSync(join(folder, blobs, algorithm)).map((name) => `${blobs}/${algorithm}/${name}`))
    .filter((name) => isFile(join(folder, name)));
}

const isFile = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
const isFolder = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

async function* archiveOf(folder: string, names: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const name of names) {
    const { size } = lstatSync(join(folder, name));
    yield tarHeader({ name, type: "file", mode: 0o444, size });
    let sent = 0;
    // A file that grows while it is read must not spoil the archive.
    for await (const chunk of size === 0 ? [] : createReadStream(join(folder, name), { end: size - 1, highWaterMark: CHUNK })) {
      sent += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
    if (sent !== size) throw fail("invalid", `load ${folder}: ${name} became shorter while it was read`);
    yield tarPadding(size);
  }
  yield TAR_END;
}
