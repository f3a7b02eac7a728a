/** A manifest with a subject, at a registry that keeps no list of referrers: the list is an index under a tag. */
import { isDigest } from "#spec/digest.ts";
import { type Descriptor, MEDIA, readJson } from "#spec/image.ts";
import { byTag, referrersTag } from "../referrers.ts";
import type { Session } from "../session.ts";

/** `isKept`: the registry said that it keeps the list. */
export async function listReferrer(session: Session, { descriptor, bytes }: { descriptor: Descriptor; bytes: Buffer }, isKept: boolean, signal: AbortSignal): Promise<void> {
  if (isKept) return;
  const json = readJson(bytes, "manifest") as { subject?: { digest?: unknown }; artifactType?: string; config?: { mediaType?: string }; annotations?: Record<string, string> };
  const subject = json.subject?.digest;
  if (!isDigest(subject)) return;
  const listed = await byTag(session, subject, signal);
  if (listed.some(({ digest }) => digest === descriptor.digest)) return;
  const artifactType = json.artifactType ?? json.config?.mediaType;
  const entry = { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size, ...(artifactType && { artifactType }), ...(json.annotations && { annotations: json.annotations }) };
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [...listed, entry] }));
  const body = { length: index.length, bytes: () => [Buffer.from(index)] };
  const headers = { "content-type": MEDIA.ociIndex };
  const reply = await session.request({ method: "PUT", at: `manifests/${referrersTag(subject)}`, can: "push", expect: [200, 201, 202, 204], headers, body, signal });
  reply.drop();
}
