/**
 * The names of uploads: nobody guesses one, and each says whose it is: 128 random bits and a keyed hash of them, the
 * repository and the user. So every instance that has the key knows, without a record, whom an upload belongs to (RS-06).
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Storage } from "../storage/storage.ts";

export type UploadIds = {
  make(repository: string, user: string): string;
  /** False also for what we never made. */
  belongs(id: string, repository: string, user: string): boolean;
};

const RANDOM = 16;

export function openUploadIds(key: Buffer): UploadIds {
  const seal = (random: string, repository: string, user: string): string =>
    createHmac("sha256", key).update(`${random}\n${repository}\n${user}`).digest("hex").slice(0, 2 * RANDOM);
  return {
    make(repository, user) {
      const random = randomBytes(RANDOM).toString("hex");
      return random + seal(random, repository, user);
    },
    belongs(id, repository, user) {
      const random = id.slice(0, 2 * RANDOM);
      return timingSafeEqual(Buffer.from(id.slice(2 * RANDOM)), Buffer.from(seal(random, repository, user)));
    },
  };
}

/** One for all instances: the first makes it. */
export async function storedKey(storage: Storage): Promise<Buffer> {
  await storage.put("secret", randomBytes(32), { ifAbsent: true });
  const key = await storage.read("secret");
  if (key?.length !== 32) throw new Error("read the registry's key: it is damaged; take the object \"secret\" away");
  return key;
}
