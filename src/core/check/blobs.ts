/** Step 2: each blob's file is there and is its digest, and no other file is. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasher } from "#base/digest.ts";
import { kindOf } from "#base/errors.ts";
import { release } from "#base/memory.ts";
import { type Digest, digits, isDigest } from "#spec/digest.ts";
import type { Blob } from "../content/content.ts";
import { BUSY, type Checking, type Findings, problem, type Repair } from "./open-check.ts";

const FOLDER = ["content", "blobs", "sha256"] as const;

export async function* checkBlobs(checking: Checking): Findings {
  const { content, counts, options } = checking;
  const blobs = content.list();
  const total = blobs.reduce((sum, blob) => sum + blob.size, 0);
  for (const blob of blobs) {
    options.signal.throwIfAborted();
    const wrong = await wrongWith(checking, blob);
    counts.blobs++;
    counts.bytes += blob.size;
    if (wrong !== undefined) yield await problem(checking, "blobs", blob.digest, wrong, () => removeBlob(checking, blob.digest));
    yield { kind: "step", step: "blobs", current: counts.bytes, total };
  }
  yield* checkFiles(checking);
}

/** What is wrong with a blob; undefined when nothing is, or when it went away meanwhile. */
async function wrongWith({ content, root, options }: Checking, { digest, size }: Blob): Promise<string | undefined> {
  const found = await stat(join(root, ...FOLDER, digits(digest))).catch(() => undefined);
  if (content.stat(digest) === undefined) return undefined;
  if (found === undefined) return "its file is missing";
  if (found.size !== size) return `its file has ${found.size} bytes, its row says ${size}`;
  if (options.digests === false) return undefined;
  try {
    const hash = hasher();
    for await (const chunk of content.stream(digest)) {
      options.signal.throwIfAborted();
      hash.update(chunk);
      release(chunk);
    }
    const real = hash.digest();
    return real === digest || content.stat(digest) === undefined ? undefined : `its bytes have the digest ${real}`;
  } catch (error) {
    if (options.signal.aborted || content.stat(digest) === undefined) options.signal.throwIfAborted();
    else return `it cannot be read: ${kindOf(error) === "not-found" ? "its file is missing" : (error as Error).message}`;
    return undefined;
  }
}

/** The row and the file: whoever needs the blob fetches it again. */
export async function removeBlob({ db, content, held }: Checking, digest: Digest): Promise<Repair> {
  if (held(`content/${digest}`)) return BUSY;
  await db.write(() => content.forget([digest]));
  await content.unlink([digest]);
  return { repaired: "removed" };
}

/** A file is garbage if no row names it, nobody is about to write that row, and no collection is about to remove it. */
async function* checkFiles(checking: Checking): Findings {
  const { root, content, collector, held } = checking;
  const names = await readdir(join(root, ...FOLDER));
  const stray = (name: string): boolean => {
    const digest = `sha256:${name}`;
    return !isDigest(digest) || (content.stat(digest) === undefined && !held(`content/${digest}`));
  };
  const suspects = names.filter(stray);
  if (suspects.length === 0) return;
  await collector.idle();
  const still = new Set(await readdir(join(root, ...FOLDER)));
  for (const name of suspects.filter((one) => still.has(one) && stray(one))) {
    yield await problem(checking, "blobs", [...FOLDER, name].join("/"), "a file that no row names", () => removeFile(checking, name));
  }
}

async function removeFile({ content }: Checking, name: string): Promise<Repair> {
  const digest = `sha256:${name}`;
  if (!isDigest(digest)) return { left: "the name is no digest; look at it and remove it" };
  await content.unlink([digest]);
  return { repaired: "removed" };
}
