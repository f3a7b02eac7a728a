/** Values of metadata that may be more than ASCII: then all of a name's are query-escaped, and "NAME-encoded" is "1". */
import type { Metadata } from "#base/grpc/grpc.ts";

export function metadataOf(values: Readonly<Record<string, readonly string[] | undefined>>): Metadata {
  const metadata: Record<string, readonly string[]> = {};
  for (const [name, list] of Object.entries(values)) {
    if (list === undefined || list.length === 0) continue;
    const plain = list.every((value) => /^[!-~](?:[ -~]*[!-~])?$/.test(value));
    metadata[name] = plain ? list : list.map((value) => encodeURIComponent(value));
    if (!plain) metadata[`${name}-encoded`] = ["1"];
  }
  return metadata;
}
