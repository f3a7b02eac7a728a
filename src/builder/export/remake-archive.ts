/** An archive made over while it is read: times no later than an instant, names in a folder; all else stays as it is. Pure. */
import { tarReader, type TarEntry } from "#base/tar.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";

export type Remake = {
  /** Unix seconds. */
  readonly epoch?: number | undefined;
  /** "linux_amd64/" */
  readonly folder?: string;
  /** Another archive follows. */
  readonly open?: boolean;
};

export const clampTimes = (archive: AsyncIterable<Uint8Array>, epoch: number): AsyncGenerator<Buffer> => remakeArchive(archive, { epoch });

/** @throws invalid: what comes is no archive */
export async function* remakeArchive(archive: AsyncIterable<Uint8Array>, remake: Remake): AsyncGenerator<Buffer> {
  const reader = tarReader();
  let size = 0;
  for await (const chunk of archive) {
    const parts: Buffer[] = [];
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
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
  if (remake.open !== true) yield TAR_END;
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
