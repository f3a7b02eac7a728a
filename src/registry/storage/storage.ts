/**
 * Where a registry keeps its objects. A key is a path of plain components ("blobs/sha256/ab…"), made by the registry alone,
 * never by a client's text.
 *
 *     await storage.put("repositories/a/tags/latest", bytes);
 *     const object = await storage.get("blobs/sha256/…", { start: 0 });
 *     const upload = await storage.upload("uploads/UUID");       // or goes on with what is there
 *     await upload.append(chunks); await upload.commit("blobs/sha256/…");
 *
 * An object is whole or absent: a put replaces at once, and is durable when it resolves (acknowledged means kept). Several
 * instances may use the same store at the same time. One suite (storage-suite.ts) is run by every driver.
 */
export type Storage = AsyncDisposable & {
  /** Undefined when there is none. `stream` must be read or destroyed. */
  get(key: string, range?: { readonly start: number; readonly end?: number }): Promise<StoredObject | undefined>;
  stat(key: string): Promise<{ readonly size: number; readonly modified: Date } | undefined>;
  /** A small object, whole. `ifAbsent`: false, and nothing changed, when there is one already. */
  put(key: string, bytes: Uint8Array, options?: { readonly ifAbsent?: boolean }): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Keys below a prefix ("repositories/a/"), in byte order, after `after`. Not in memory at once. */
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<string>;
  /** Opens an upload, or the one that is there, at its length. Of one instance at a time: the API's session says which. */
  upload(key: string): Promise<Upload>;
};

export type StoredObject = { readonly size: number; readonly modified: Date; readonly stream: AsyncIterable<Buffer> };

export type Upload = {
  readonly size: number;
  /** Resolves to the new length; what came before a failure is kept. */
  append(source: AsyncIterable<Uint8Array>): Promise<number>;
  /** The bytes so far, to hash them when an upload goes on in another process. */
  read(): AsyncIterable<Buffer>;
  /** The upload becomes the object; one that is there already stays. */
  commit(key: string): Promise<void>;
  abort(): Promise<void>;
};
