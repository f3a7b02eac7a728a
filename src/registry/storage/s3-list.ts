import type { S3Client } from "./s3-client.ts";
import { elementsIn, textIn } from "./s3-xml.ts";

export type Listed = { readonly key: string; readonly size: number; readonly modified: Date };

/** Objects below a prefix, in byte order, a page of a thousand in memory. */
export async function* listObjects(client: S3Client, prefix: string, after?: string): AsyncGenerator<Listed> {
  const root = client.full("").length;
  let from: Record<string, string> = after === undefined ? {} : { "start-after": client.full(after) };
  for (;;) {
    const { body } = await client.call({ method: "GET", query: { "list-type": "2", prefix: client.full(prefix), ...from } });
    for (const one of elementsIn(body, "Contents")) yield { key: textIn(one, "Key")!.slice(root), size: Number(textIn(one, "Size")), modified: new Date(textIn(one, "LastModified") ?? 0) };
    const token = textIn(body, "NextContinuationToken");
    if (textIn(body, "IsTruncated") !== "true" || token === undefined) return;
    from = { "continuation-token": token };
  }
}
