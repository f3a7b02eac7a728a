/** An archive made over while it is read: times no later than an instant, names in a folder; all else stays as it is. Pure. */
import { tarReader, type TarEntry } from "#base/tar.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";

export type Remake = {
  /** Unix seconds. */
  readonly epoch?: number | undefined;
  /** "linux_amd64/" */
  readonly folder?: string;
  /** Files for its root, sorted by name; what is called so already stays. */
  readonly added?: readonly AddedFile[];
  /** Another archive follows. */
  readonly open?: boolean;
};

export type AddedFile = { readonly name: string; readonly data: Buffer };

export const clampTimes = (archive: AsyncIterable<Uint8Array>, epoch: number): AsyncGenerator<Buffer> => remakeArchive(archive, { epoch });

/** @throws invalid: what comes is no archive */
export async function* remakeArchive(archive: AsyncIterable<Uint8Array>, remake: Remake): AsyncGenerator<Buffer> {
  const reader = tarReader();
  const added = [...(remake.added ?? [])];
  let size = 0;
  for await (const chunk of archive) {
    const parts: Buffer[] = [];
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        while (added.length > 0 && rootName(event.entry) >= added[0]!.name) parts.push(...addedFile(added.shift()!, rootName(event.entry), remake));
        parts.push(header(event.entry, remake));
        size = event.entry.size;
      } else {
        parts.push(event.bytes);
        if (event.last) parts.push(tarPadding(size));
      }
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
  reader.end();
  for (const file of added) yield Buffer.concat(addedFile(file, "", remake));
  if (remake.open !== true) yield TAR_END;
}

const rootName = ({ name }: TarEntry): string => name.toString().replace(/^(\.?\/)+/, "").replace(/\/.*$/s, "");

function addedFile({ name, data }: AddedFile, taken: string, { epoch = 0, folder = "" }: Remake): Buffer[] {
  return name === taken ? [] : [tarHeader({ name: folder + name, type: "file", mode: 0o600, sec: epoch, size: data.length }), data, tarPadding(data.length)];
}

function header({ xattrs, ...entry }: TarEntry, { epoch = Number.POSITIVE_INFINITY, folder = "" }: Remake): Buffer {
  const late = entry.sec > epoch || (entry.sec === epoch && entry.nsec > 0);
  const moved = (name: Buffer): Buffer => (folder === "" ? name : Buffer.concat([Buffer.from(folder), name]));
  return tarHeader({
    ...entry,
    name: moved(entry.name),
    linkName: entry.type === "link" ? moved(entry.linkName) : entry.linkName,
    ...(late && { sec: epoch, nsec: 0 }),
    xattrs: Object.fromEntries(xattrs.map(([name, value]) => [name.toString(), value])),
  });
}
