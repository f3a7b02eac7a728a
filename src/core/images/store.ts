/** The names of images, as rows. See images.ts. */
import { nowNanos } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Database } from "#base/sqlite.ts";
import { parseJson } from "#base/json.ts";
import { parseDescriptor } from "#spec/image.ts";
import type { Image, Images, NewImage } from "./images.ts";

const COLUMNS = "name, descriptor, labels, created, updated";
const statements = {
  get: `SELECT ${COLUMNS} FROM images WHERE name = ?`,
  list: `SELECT ${COLUMNS} FROM images ORDER BY name`,
  byDigest: `SELECT ${COLUMNS} FROM images WHERE digest = ? ORDER BY name`,
  // A range, so that the index serves it; "g" is beyond every hexadecimal digit.
  byPrefix: `SELECT ${COLUMNS} FROM images WHERE digest >= ?1 AND digest < ?1 || 'g' ORDER BY digest, name`,
  put: `INSERT INTO images (name, digest, descriptor, labels, created, updated) VALUES (?1, ?2, ?3, coalesce(?4, '{}'), ?5, ?5)
        ON CONFLICT (name) DO UPDATE SET digest = ?2, descriptor = ?3, labels = coalesce(?4, labels), updated = ?5`,
  label: "UPDATE images SET labels = json_patch(labels, ?2) WHERE name = ?1",
  remove: "DELETE FROM images WHERE name = ?",
} as const;

type Row = { name: string; descriptor: string; labels: string; created: bigint; updated: bigint };

export function openImages(db: Database): Images {
  const q = db.prepare(statements);
  const put = (image: NewImage, now: bigint) =>
    q.put.run(image.name, image.target.digest, JSON.stringify(image.target), image.labels === undefined ? null : JSON.stringify(image.labels), now);
  return {
    get: (name) => optional(q.get.get64<Row>(name)),
    list: () => q.list.all64<Row>().map(fromRow),
    byDigest: (digest) => q.byDigest.all64<Row>(digest).map(fromRow),
    byPrefix: (prefix) => q.byPrefix.all64<Row>(prefix).map(fromRow),
    async put(images, remove = []) {
      await failpoint("images.put");
      const now = nowNanos();
      await db.write(() => {
        for (const image of images) put(image, now);
        for (const name of remove) q.remove.run(name);
      });
    },
    label: (changes) => db.write(() => changes.forEach(({ name, labels }) => q.label.run(name, patchOf(labels)))),
    remove: (names) => db.write(() => names.filter((name) => q.remove.run(name) > 0)),
  };
}

/** RFC 7396: null takes a member away. */
const patchOf = (labels: Readonly<Record<string, string | undefined>>): string => JSON.stringify(labels, (_, value: unknown) => value ?? null);

const optional = (row: Row | undefined): Image | undefined => (row === undefined ? undefined : fromRow(row));

function fromRow(row: Row): Image {
  return {
    name: row.name,
    target: parseDescriptor(parseJson(row.descriptor), `image ${row.name}`),
    labels: parseJson(row.labels) as Record<string, string>,
    created: row.created,
    updated: row.updated,
  };
}
