/** What `images` shows: a row for each name of an image. */
import { familiarRepository, tryReference } from "#spec/reference.ts";
import type { View } from "./rows.ts";
import { goTime } from "./time.ts";
import { humanDuration, humanSize, shortId } from "./units.ts";

/** GET /images/json. */
export type ImageSummary = {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize?: number;
  readonly VirtualSize?: number;
  readonly Containers?: number;
  readonly Labels?: Readonly<Record<string, string>> | null;
};

export type ImageRow = { readonly image: ImageSummary; readonly repository: string; readonly tag: string; readonly digest: string };

const NONE = "<none>";

export function imagesView(options: { full: boolean; digests: boolean; now?: number }): View<ImageRow> {
  const { full, digests, now = Date.now() / 1000 } = options;
  const size = (bytes: number | undefined) => (bytes === -1 || bytes === undefined ? "N/A" : humanSize(bytes, 4));
  return {
    type: "*formatter.imageContext",
    table: ["Repository", "Tag", ...(digests ? ["Digest"] : []), "ID", "CreatedSince", "Size"],
    raw: [
      ["repository", "Repository"],
      ["tag", "Tag"],
      ...(digests ? ([["digest", "Digest"]] as const) : []),
      ["image_id", "ID"],
      ["created_at", "CreatedAt"],
      ["virtual_size", "Size"],
    ],
    quiet: "ID",
    fields: {
      Containers: ["CONTAINERS", ({ image }) => (image.Containers === -1 || image.Containers === undefined ? "N/A" : String(image.Containers))],
      CreatedAt: ["CREATED AT", ({ image }) => goTime(image.Created)],
      CreatedSince: ["CREATED", ({ image }) => `${humanDuration(now - image.Created)} ago`],
      Digest: ["DIGEST", (row) => row.digest],
      ID: ["IMAGE ID", ({ image }) => (full ? image.Id : shortId(image.Id))],
      Repository: ["REPOSITORY", (row) => row.repository],
      SharedSize: ["SHARED SIZE", ({ image }) => size(image.SharedSize ?? 0)],
      Size: ["SIZE", ({ image }) => humanSize(image.Size)],
      Tag: ["TAG", (row) => row.tag],
      UniqueSize: ["UNIQUE SIZE", ({ image }) => (image.SharedSize === -1 ? "N/A" : humanSize(image.Size - (image.SharedSize ?? 0), 4))],
      VirtualSize: ["SIZE", ({ image }) => humanSize(image.Size, 4)],
    },
  };
}

/** A row a tag, with its digest where one is known; digests without a tag, and images without either, too. */
export function imageRows(images: readonly ImageSummary[], digests: boolean): ImageRow[] {
  return images.flatMap((image) => rowsOf(image, digests));
}

function rowsOf(image: ImageSummary, digests: boolean): ImageRow[] {
  const tags = namesOf(image.RepoTags, "tag");
  const known = namesOf(image.RepoDigests, "digest");
  if (tags.length === 0 && known.length === 0) return [{ image, repository: NONE, tag: NONE, digest: NONE }];
  const rows: ImageRow[] = [];
  for (const { repository, value } of tags) {
    const mine = digests ? known.filter((each) => each.repository === repository) : [];
    if (mine.length === 0) rows.push({ image, repository, tag: value, digest: NONE });
    for (const each of mine) rows.push({ image, repository, tag: value, digest: each.value });
  }
  for (const { repository, value } of known) {
    if (tags.some((each) => each.repository === repository)) continue;
    if (!digests && rows.some((row) => row.repository === repository)) continue;
    rows.push({ image, repository, tag: NONE, digest: digests ? value : "" });
  }
  return rows;
}

function namesOf(names: readonly string[] | null, part: "tag" | "digest"): { repository: string; value: string }[] {
  return (names ?? []).flatMap((name) => {
    const reference = tryReference(name);
    const value = reference?.[part];
    return reference === undefined || value === undefined ? [] : [{ repository: familiarRepository(reference), value }];
  });
}
