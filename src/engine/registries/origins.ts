/** Where blobs came from, or went: repositories from which a push to the same registry may mount them. */
import type { Database } from "#base/sqlite.ts";
import type { Digest } from "#spec/digest.ts";

export type Origins = {
  /** `repository`: "docker.io/library/busybox". Blobs that are not here are left out; the rows go with the blobs. */
  record(repository: string, digests: readonly Digest[]): Promise<void>;
  /** Paths of repositories of that registry. */
  of(registry: string, digest: Digest): string[];
};

const statements = {
  record: "INSERT INTO origins (digest, repository) SELECT digest, ?2 FROM blobs WHERE digest = ?1 ON CONFLICT DO NOTHING",
  // The registry's own names, and no more than a push would try.
  of: "SELECT repository FROM origins WHERE digest = ?1 AND substr(repository, 1, length(?2)) = ?2 LIMIT 4",
} as const;

export function openOrigins(db: Database): Origins {
  const q = db.prepare(statements);
  return {
    record: (repository, digests) => db.write(() => digests.forEach((digest) => q.record.run(digest, repository))),
    of: (registry, digest) => q.of.all<{ repository: string }>(digest, `${registry}/`).map((row) => row.repository.slice(registry.length + 1)),
  };
}
