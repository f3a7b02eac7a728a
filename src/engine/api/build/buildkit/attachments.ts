/** What builds left and their history names: provenance, images' documents, why they failed. Clients read them by containerd's content service. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { method, type Served, serverStream, statusMessage, statusOf, unary } from "#base/grpc/grpc.ts";
import type { In } from "#base/protobuf.ts";
import { parseJson } from "#base/json.ts";
import type { BuildRecord } from "#builder/history/history.ts";
import { CONTENT, infoRequest, infoResponse, readRequest, readResponse } from "#spec/buildkit/content.ts";
import type { descriptor } from "#spec/buildkit/workers.ts";
import { parseDigest } from "#spec/digest.ts";
import type { Builds } from "../../../builds/builds.ts";
import { asBuildKit } from "./failure.ts";

type DescriptorIn = In<typeof descriptor> & { readonly digest: string };
type Attachment = { readonly platform: string | undefined; readonly descriptor: DescriptorIn; readonly data: Buffer };

const STATEMENT = "application/vnd.in-toto+json";

export function attachments({ provenance = [] }: BuildRecord): Attachment[] {
  return provenance.map(({ platform, type, text }) => ({ platform, ...blob(STATEMENT, Buffer.from(text), { "in-toto.io/predicate-type": type }) }));
}

const STATUS = "application/vnd.googeapis.google.rpc.status+proto";

/** The failure with its details, as the build's client heard it. */
export function failureOf({ status, error, failed }: BuildRecord): Omit<Attachment, "platform"> | undefined {
  if (error === undefined || failed === undefined || status === "canceled") return undefined;
  return blob(STATUS, statusMessage.encode(statusOf(asBuildKit(fail("internal", error, { facts: failed })))), {});
}

function blob(mediaType: string, data: Buffer, annotations: Readonly<Record<string, string>>): Omit<Attachment, "platform"> {
  return { data, descriptor: { mediaType, digest: sha256(data), size: data.length, annotations } };
}

/** The image, or the index of several. */
export function imageOf({ metadata }: BuildRecord): DescriptorIn | undefined {
  const text = metadata["containerimage.descriptor"];
  return text === undefined ? undefined : (parseJson(Buffer.from(text, "base64").toString()) as DescriptorIn);
}

const methods = {
  info: method(`${CONTENT}/Info`, infoRequest, infoResponse),
  read: method(`${CONTENT}/Read`, readRequest, readResponse),
};

/** Of a message to a client. */
const PIECE = 2 ** 20;

export function contentMethods({ history, content }: Pick<Builds, "history" | "content">): Served[] {
  const attached = (digest: string) =>
    history.list().flatMap((build) => [...attachments(build), ...[failureOf(build)].filter((one) => one !== undefined)]).find((one) => one.descriptor.digest === digest)?.data;
  return [
    unary(methods.info, async ({ digest }) => {
      const size = attached(digest)?.length ?? content.stat(parseDigest(digest))?.size;
      if (size === undefined) throw fail("not-found", `content ${digest}: not found`);
      return { info: { digest, size } };
    }),
    // Documents only: whoever wants layers has the engine's API.
    serverStream(methods.read, async function* ({ digest, offset, size }) {
      const bytes = attached(digest) ?? (await content.read(parseDigest(digest)));
      const end = size > 0 ? Math.min(bytes.length, offset + size) : bytes.length;
      for (let at = offset; at < end; at += PIECE) yield { offset: at, data: bytes.subarray(at, Math.min(end, at + PIECE)) };
    }),
  ];
}
