/** An archive whose times are no later than an instant; everything else stays as it is. Pure. */
import { tarReader, type TarEntry } from "#base/tar.ts";
import { TAR_END, tarHeader, tarPadding } from "#base/tar-write.ts";

/** `epoch`: Unix seconds. @throws invalid: what comes is no archive */
export async function* clampTimes(archive: AsyncIterable<Uint8Array>, epoch: number): AsyncGenerator<Buffer> {
  const reader = tarReader();
  let padding = 0;
  for await (const chunk of archive) {
    const parts: Buffer[] = [];
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        parts.push(header(event.entry, epoch));
        padding = event.entry.size;
      } else {
        parts.push(event.bytes);
        if (event.last) parts.push(tarPadding(padding));
      }
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
  reader.end();
  yield TAR_END;
}

function header({ xattrs, ...entry }: TarEntry, epoch: number): Buffer {
  const time = entry.sec > epoch || (entry.sec === epoch && entry.nsec > 0) ? { sec: epoch, nsec: 0 } : {};
  return tarHeader({ ...entry, ...time, xattrs: Object.fromEntries(xattrs.map(([name, value]) => [name.toString(), value])) });
}
