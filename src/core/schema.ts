/**
 * The schema of the engine's database: the one home of its state. Everything else (mounts, addresses in the kernel,
 * rules, cgroups, folders without a row) is derived from it and reconciled at start.
 *
 * Times are Unix nanoseconds. A `record` is JSON, written and read by the part that owns the table.
 * A released migration is never edited: the next change is the next element.
 */
import type { Migrations } from "#base/sqlite.ts";

export const migrations: Migrations = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- core: content. A row exists for exactly the blobs that are complete and durable.
  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- core: what keeps what alive. Nodes are "content/DIGEST" and "snapshot/NAME".
  CREATE TABLE edges (
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (source, target)
  ) STRICT, WITHOUT ROWID;

  -- core: images. A name is a canonical reference, or "sha256:…@dangling" for one without a name.
  CREATE TABLE images (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    descriptor TEXT NOT NULL,
    labels TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX images_digest ON images (digest);

  -- core: snapshots. The folder is snapshots/ID. A folder without a row is garbage.
  CREATE TABLE snapshots (
    name TEXT PRIMARY KEY,
    id INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('committed', 'active', 'view')),
    parent TEXT,
    init INTEGER NOT NULL,         -- 1: a container's, with the init layer on top of its parents
    bytes INTEGER NOT NULL,        -- of a committed one
    inodes INTEGER NOT NULL,
    created INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX snapshots_parent ON snapshots (parent) WHERE parent IS NOT NULL;

  -- engine
  CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT UNIQUE,
    record TEXT NOT NULL,
    created INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_time ON events (time);

  -- volumes
  CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- network
  CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- A container's place in a network while it runs: addresses, MAC, published ports. One writer decides in memory.
  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL REFERENCES networks (id),
    container TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX endpoints_container ON endpoints (container);
  `,
  `
  -- core: what interrupted work brought, kept for the next attempt. Unix nanoseconds.
  CREATE TABLE kept (node TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  -- engine: repositories ("docker.io/library/busybox") that have a blob, so that a push may mount it from there.
  CREATE TABLE origins (
    digest TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, repository)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER origins_go AFTER DELETE ON blobs BEGIN
    DELETE FROM origins WHERE digest = old.digest;
  END;
  `,
  `
  -- builder: what steps resulted in, by the steps' keys. A row whose result went stays for a while, without nodes: what
  -- was made of that result is still found then.
  CREATE TABLE build_cache (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL,        -- chain ID, "" for no layers
    layers TEXT NOT NULL,          -- JSON: descriptors and diff IDs
    nodes TEXT NOT NULL,           -- JSON: what the row keeps from collection; "[]" when the result went
    size INTEGER NOT NULL,
    description TEXT NOT NULL,
    place TEXT NOT NULL,
    record TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX build_cache_description ON build_cache (description, created);
  CREATE INDEX build_cache_place ON build_cache (place, created);
  -- builder: what follows from other things for ever, as the digest of a selection of files.
  CREATE TABLE build_facts (key TEXT PRIMARY KEY, value TEXT NOT NULL, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX build_facts_used ON build_facts (used);
  -- builder: builds that were. Their events are in files.
  CREATE TABLE builds (ref TEXT PRIMARY KEY, record TEXT NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX builds_created ON builds (created);
  `,
];
