/** What a build left, read from the engine by its digest: provenance, documents of images. */
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { statusMessage } from "#base/grpc/status.ts";
import { CONTENT, readRequest, readResponse } from "#spec/buildkit/content.ts";
import { sourceText } from "../../build/failure.ts";
import type { Connection } from "../../build/h2/connection.ts";
import { openCall } from "../../build/rpc/call.ts";
import type { Build } from "./builds.ts";

export type Attachment = { readonly digest: string; readonly platform: string; readonly type: string };

const TYPE = "in-toto.io/predicate-type";

/** Those of all platforms first. */
export function attachmentsOf({ result, results }: Build): Attachment[] {
  const of = (platform: string, list: NonNullable<Build["result"]>["attestations"]) => list.map(({ digest, mediaType, annotations }) => ({ platform, digest, type: annotations[TYPE] ?? mediaType }));
  return [
    ...of("", [...Object.values(result?.results ?? {}), ...(result?.attestations ?? [])]),
    ...Object.entries(results).flatMap(([platform, { attestations }]) => of(platform, attestations)),
  ];
}

export const isProvenance = ({ type }: Attachment): boolean => type.startsWith("https://slsa.dev/provenance/");

export async function readAttachment(control: Connection, digest: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const call = openCall(control, `${CONTENT}/Read`, { onMessage: (message) => void pieces.push(Buffer.from(readResponse.decode(Buffer.from(message)).data)) });
  call.send(frame(readRequest.encode({ digest }, HEADROOM)));
  call.end();
  await call.done;
  return Buffer.concat(pieces);
}

/** The Dockerfile's lines that the build failed of; "" of one that did not. */
export async function failureSource(control: Connection, { externalError }: Build): Promise<string> {
  if (externalError === undefined || externalError.digest === "") return "";
  const { details } = statusMessage.decode(await readAttachment(control, externalError.digest));
  return sourceText(fail("internal", "", { facts: { grpcDetails: details } }));
}

/** By its digest, a platform, or a type ("provenance", "sbom", or as a whole). @throws not-found */
export function findAttachment(all: readonly Attachment[], { digest, platform, type }: { readonly digest: string; readonly platform: string; readonly type: string }): Attachment {
  const isOf = (one: Attachment) => type === "" || one.type === type || (type === "provenance" && isProvenance(one)) || (type === "sbom" && one.type === "https://spdx.dev/Document");
  const found = all.find((one) => (digest === "" || one.digest === digest) && (platform === "" || one.platform === platform) && isOf(one));
  if (found === undefined) throw fail("not-found", "no attachment found");
  return found;
}
