/**
 * Where a registry keeps its objects. A key is a path of plain components ("blobs/sha256/ab…"), made by the registry alone,
 * never by a client's text.
 *
 *     await storage.put("repositories/a/_tags/latest", bytes);
 *     const object = await storage.get("blobs/sha256/…", { start: 0 });
 *     const upload = await storage.upload("uploads/UUID");       // or goes on with what is there
 *     await upload.append(chunks); await upload.commit("blobs/sha256/…");
 *
 * An object is whole or absent: a put replaces at once, and is durable when it resolves (acknowledged means kept). What one
 * instance wrote, every other sees from then on: the collection's safety rests on it (docs/design/registry.md). Several
 * instances may use the same store at the same time. One suite (storage-suite.ts) is run by every driver.
 */
export type Storage = AsyncDisposable & {
  /**
   * For how long what was read of a small object may be taken as still so, in milliseconds: 0 where asking again is cheap.
   * What this process itself changes is never taken from before the change.
   */
  readonly trustMs: number;
  /**
   * Undefined when there is none. `stream` must be read or ended (`return`). `end` is exclusive. `reuse`: a chunk need be
   * good only until the next one is asked for.
   */
  get(key: string, range?: { readonly start: number; readonly end?: number }, options?: { readonly reuse?: boolean }): Promise<StoredObject | undefined>;
  stat(key: string): Promise<Stat | undefined>;
  /** A small object, whole; undefined when there is none. */
  read(key: string): Promise<Buffer | undefined>;
  /** A small object, whole. `ifAbsent`: false, and nothing changed, when there is one already. */
  put(key: string, bytes: Uint8Array, options?: { readonly ifAbsent?: boolean }): Promise<boolean>;
  /** Its `modified` is now (roughly durable); false when there is none. */
  renew(key: string): Promise<boolean>;
  /** Replaces what is at `to`; false when there is none at `key`. At every moment the object is at one of the two, or both. */
  move(key: string, to: string): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Keys below a prefix ("repositories/a/_tags/"), in byte order, after `after` (a whole key). Not in memory at once where they are many folders. */
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<string>;
  /**
   * Opens the upload of that key. `create`: a new one, empty. Otherwise undefined when there is none. It belongs to whoever opened it until it is
   * released, committed or aborted.
   * @throws conflict while somebody else has it
   */
  upload(key: string, options?: { readonly create?: boolean }): Promise<Upload | undefined>;
  /** Of an upload that somebody may have open. */
  uploads(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number; readonly modified: Date }>;
  /** Takes away an upload, whoever has it open (whose next call fails). */
  dropUpload(key: string): Promise<void>;
};

/** `version` changes with the object: a put of other bytes has another. */
export type Stat = { readonly size: number; readonly modified: Date; readonly version: string };

/** `size` is the whole object's. */
export type StoredObject = { readonly size: number; readonly modified: Date; readonly stream: AsyncIterable<Buffer> };

export type Upload = {
  readonly size: number;
  /** Resolves to the new length; what came before a failure is kept. `consume`: the chunks are nobody else's, and may be emptied. */
  append(source: AsyncIterable<Uint8Array>, options?: { readonly consume?: boolean }): Promise<number>;
  /** The bytes so far, to hash them when an upload goes on in another process. */
  read(): AsyncIterable<Buffer>;
  /** The upload becomes the object, durably; one that is there already stays. */
  commit(key: string): Promise<void>;
  abort(): Promise<void>;
  /** Leaves it for whoever goes on. */
  release(): Promise<void>;
};
