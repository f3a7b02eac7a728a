/** What refers to a manifest: the API, and the tag that stands for it where a registry does not have the API. */
import { fail, Failure } from "#base/errors.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { type Descriptor, MEDIA, parseDescriptor } from "#spec/image.ts";
import { readDocument } from "./fetch/documents.ts";
import { pages } from "./remote.ts";
import type { Session } from "./session.ts";

type Listed = Descriptor & { readonly artifactType?: string };

/** "sha256-…": the tag of the index that lists them. */
export const referrersTag = (digest: Digest): string => `sha256-${digits(digest)}`;

const MOST = 10_000;

export async function readReferrers(session: Session, digest: Digest, signal: AbortSignal, artifactType?: string): Promise<readonly Listed[]> {
  const found = (await byApi(session, digest, signal, artifactType)) ?? (await byTag(session, digest, signal));
  // A registry need not filter.
  return artifactType === undefined ? found : found.filter((item) => item.artifactType === artifactType);
}

async function byApi(session: Session, digest: Digest, signal: AbortSignal, artifactType: string | undefined): Promise<Listed[] | undefined> {
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Listed[] = [];
  try {
    for await (const page of pages(session, `referrers/${digest}${query}`, signal, MEDIA.ociIndex)) {
      found.push(...listed(page));
      if (found.length > MOST) throw fail("invalid", `referrers of ${digest}: more than ${MOST}`);
    }
    return found;
  } catch (error) {
    if (error instanceof Failure && [404, 405, 400].includes(error.facts["status"] as number)) return undefined;
    throw error;
  }
}

/** The index under the tag; none is an empty list. */
export async function byTag(session: Session, digest: Digest, signal: AbortSignal): Promise<Listed[]> {
  try {
    const { bytes } = await readDocument(session, referrersTag(digest), signal);
    return listed(JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    if (error instanceof Failure && error.kind === "not-found") return [];
    throw error;
  }
}

function listed(page: unknown): Listed[] {
  const { manifests } = (page ?? {}) as { manifests?: unknown };
  if (!Array.isArray(manifests)) throw fail("invalid", "read referrers: the answer is no index");
  return manifests.map((item: unknown) => {
    const { artifactType } = item as { artifactType?: unknown };
    return { ...parseDescriptor(item, "referrers"), ...(typeof artifactType === "string" && { artifactType }) };
  });
}
