/**
 * An archive of images, taken in: large files go to the content store as they come (under the lease), small ones stay in
 * memory until it is known what they are. What nobody turns out to need is collected with the lease.
 */
import { fail } from "#base/errors.ts";
import { release } from "#base/memory.ts";
import { type Compression, decompress, detectCompression } from "#base/streams.ts";
import { type TarEntry, tarReader } from "#base/tar.ts";
import type { Blob, BlobWriter, Content } from "#core/content/content.ts";
import { type Ahead, type AheadLayer, LAYER_LIMITS } from "#core/layers/layers.ts";
import type { Lease } from "#core/leases/leases.ts";
import { type Digest, isDigest } from "#spec/digest.ts";
import { readJson } from "#spec/image.ts";

export type Archive = {
  has(path: string): boolean;
  /** The file at a path of the archive, through the archive's own links, as a blob. @throws invalid when there is none */
  blob(path: string): Promise<Blob>;
  /** Holds the blob of that digest if the archive, or the store, has it. */
  find(digest: Digest): Promise<Blob | undefined>;
  compression(path: string): Compression;
  json(path: string): unknown;
};

/** `blob` when it went to the store, `bytes` when it is small. */
type File = { readonly head: Buffer; readonly blob?: Promise<Blob>; readonly bytes?: Buffer };

const SMALL = 2 ** 20;
const MAX_SMALL = 64 * 2 ** 20;
const MAX_ENTRIES = 100_000;
/** As containerd. */
const MAX_JSON = 20 * 2 ** 20;
/** Read whole: a longer one is not even taken in (security IMG-09). */
const DOCUMENTS: ReadonlySet<string> = new Set(["index.json", "manifest.json", "oci-layout", "repositories"]);
const MAX_LINKS = 10;
const HEAD = 16;

type Intake = {
  readonly content: Content;
  readonly lease: Lease;
  /** What looks like a layer is unpacked while it comes in. */
  readonly ahead: Ahead;
  readonly signal?: AbortSignal;
  /** Called for large files, by what they are known by in the archive. */
  readonly progress?: (id: string, current: number, total: number) => void;
};

/** @throws invalid when it is no archive, cut short, or beyond the limits; exhausted when the disk is full. */
export async function readArchive(intake: Intake, source: AsyncIterable<Uint8Array>): Promise<Archive> {
  const files = new Map<string, File>();
  const links = new Map<string, string>();
  const taker = openTaker(intake, files);
  const reader = tarReader({ entries: MAX_ENTRIES });
  try {
    const { stream } = await decompress(source, { what: "the archive", limit: LAYER_LIMITS.bytes });
    for await (const chunk of stream) {
      intake.signal?.throwIfAborted();
      for (const event of reader.push(chunk)) {
        if (event.kind === "data") await taker.data(event.bytes, event.last);
        else if (event.entry.type === "symlink" || event.entry.type === "link") links.set(pathOf(event.entry), targetOf(event.entry));
        else if (event.entry.type === "file") await taker.begin(pathOf(event.entry), event.entry.size);
      }
      release(chunk);
    }
    reader.end();
    await taker.finish();
  } catch (error) {
    await taker.abort();
    throw error;
  }
  return archiveOf(intake, files, links);
}

type Taker = {
  begin(path: string, size: number): Promise<void>;
  data(bytes: Buffer, last: boolean): Promise<void>;
  finish(): Promise<void>;
  abort(): Promise<void>;
};

/** The file that comes in: small and gathered, large and written, or known already and only read past. */
type Into = { path: string; head: Buffer; size?: number; came?: number; parts?: Buffer[]; writer?: BlobWriter; ahead?: AheadLayer; known?: Blob };

function openTaker({ content, lease, ahead, progress }: Intake, files: Map<string, File>): Taker {
  let small = 0;
  let into: Into | undefined;
  /** The commit before: its sync goes on while the next file comes in. */
  let committing: Promise<unknown> = Promise.resolve();

  return {
    async begin(path, size) {
      if (size > MAX_JSON && DOCUMENTS.has(path)) throw fail("invalid", `read ${path} of the archive: ${size} bytes, more than the limit of ${MAX_JSON}`);
      const digest = digestOf(path);
      const known = digest === undefined ? undefined : content.find(lease, digest);
      if (size === 0) files.set(path, { head: Buffer.alloc(0), bytes: Buffer.alloc(0) });
      else if (known?.size === size) into = { path, head: Buffer.alloc(0), known };
      else if (size <= SMALL) {
        if ((small += size) > MAX_SMALL) throw fail("invalid", "read the archive: too many small files");
        into = { path, head: Buffer.alloc(0), parts: [] };
      } else {
        into = { path, head: Buffer.alloc(0), size, came: 0, writer: await content.writer(lease, { size, ...(digest && { digest }) }) };
      }
    },
    async data(bytes, last) {
      if (into === undefined) return;
      if (into.head.length === 0 && into.writer !== undefined && looksLikeLayer(bytes)) setAhead(into, ahead.begin());
      if (into.head.length < HEAD) into.head = Buffer.concat([into.head, bytes.subarray(0, HEAD)]);
      into.parts?.push(Buffer.from(bytes));
      await into.ahead?.write(bytes);
      await into.writer?.write(bytes);
      if (into.size !== undefined) progress?.(shownId(into.path), (into.came = (into.came ?? 0) + bytes.length), into.size);
      if (!last) return;
      const { path, head, parts, writer, known, ahead: layer } = into;
      into = undefined;
      if (parts !== undefined) files.set(path, { head, bytes: Buffer.concat(parts) });
      else if (known !== undefined) files.set(path, { head, blob: Promise.resolve(known) });
      else if (writer !== undefined) {
        await committing;
        const blob = writer.commit();
        blob.then(({ digest }) => layer?.end(digest), () => layer?.abort());
        committing = blob;
        files.set(path, { head, blob });
      }
    },
    finish: async () => void (await committing),
    async abort() {
      into?.ahead?.abort();
      await into?.writer?.abort();
      await committing.catch(() => undefined);
    },
  };
}

/** "blobs/sha256/ab…", "ab…/layer.tar": the first twelve digits; of another name its end. */
function shownId(path: string): string {
  return /(?:^|\/)([a-f0-9]{12})[a-f0-9]{52}(?:$|[/.])/.exec(path)?.[1] ?? path.slice(-12);
}

function setAhead(into: Into, layer: AheadLayer | undefined): void {
  if (layer !== undefined) into.ahead = layer;
}

/** Compressed, or a tar archive: "ustar" stands in its first header. */
function looksLikeLayer(bytes: Buffer): boolean {
  const compression = detectCompression(bytes);
  return compression === "gzip" || compression === "zstd" || (bytes.length >= 262 && bytes.toString("latin1", 257, 262) === "ustar");
}

/** "./a/b" is "a/b"; a path is only a key here, never a file's name. */
const pathOf = (entry: TarEntry): string => normalize(entry.name.toString());

/** A symbolic link's target counts from where the link is, a hard link's from the archive's root. */
function targetOf(entry: TarEntry): string {
  const target = entry.linkName.toString();
  if (entry.type === "link") return normalize(target);
  const path = pathOf(entry);
  return normalize(`${path.slice(0, path.lastIndexOf("/") + 1)}${target}`);
}

function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** OCI layouts name a blob by its digest. */
function digestOf(path: string): Digest | undefined {
  const match = /^blobs\/(sha256)\/([a-f0-9]{64})$/.exec(path);
  const digest = match === null ? "" : `${match[1]}:${match[2]}`;
  return isDigest(digest) ? digest : undefined;
}

function archiveOf({ content, lease }: Intake, files: ReadonlyMap<string, File>, links: ReadonlyMap<string, string>): Archive {
  const resolve = (path: string): File | undefined => {
    let at = normalize(path);
    for (let hops = 0; hops < MAX_LINKS && !files.has(at) && links.has(at); hops++) at = links.get(at)!;
    return files.get(at);
  };
  const need = (path: string): File => {
    const file = resolve(path);
    if (file === undefined) throw fail("invalid", `read the archive: it names the file ${JSON.stringify(path)} and does not hold it`);
    return file;
  };
  const store = (file: File, digest?: Digest): Promise<Blob> =>
    file.blob ?? content.ingest(lease, [file.bytes!], digest === undefined ? {} : { digest });
  return {
    has: (path) => resolve(path) !== undefined,
    blob: (path) => store(need(path)),
    async find(digest) {
      const file = resolve(`blobs/sha256/${digest.slice(7)}`);
      return file === undefined ? content.find(lease, digest) : store(file, digest);
    },
    compression: (path) => detectCompression(need(path).head),
    json(path) {
      const { bytes } = need(path);
      if (bytes === undefined) throw fail("invalid", `read the archive: ${path} is longer than ${SMALL} bytes`);
      return readJson(bytes, path, MAX_JSON);
    },
  };
}
