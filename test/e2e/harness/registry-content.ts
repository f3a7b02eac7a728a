/** Images put into a registry by hand, so that what an engine pulls was not written by an engine. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { type Entry, tar } from "../../fixtures/tar.ts";

export type Descriptor = { mediaType: string; digest: string; size: number; platform?: { os: string; architecture: string; variant?: string } };

export type MadeImage = {
  readonly layers?: readonly Buffer[];
  readonly architecture?: string;
  readonly config?: Record<string, unknown>;
};

const OCI = "application/vnd.oci.image";
export const hostArchitecture = { x64: "amd64", arm64: "arm64" }[process.arch as "x64" | "arm64"];
export const otherArchitecture = hostArchitecture === "amd64" ? "arm64" : "amd64";

export const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A layer with busybox as /bin/sh, and these files. */
export const shellLayer = (files: readonly Entry[] = []): Buffer => tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: readFileSync("/bin/busybox") }, ...files]);

export type Pusher = {
  readonly authorization?: string;
};

/** Layers as gzip, configuration and manifest; the manifest's descriptor. */
export async function putImage(host: string, repository: string, tag: string | undefined, made: MadeImage = {}, pusher: Pusher = {}): Promise<Descriptor> {
  const { layers = [shellLayer()], architecture = hostArchitecture, config = { Cmd: ["/bin/sh"] } } = made;
  const image = { architecture, os: "linux", created: "2024-01-01T00:00:00Z", config, rootfs: { type: "layers", diff_ids: layers.map(digestOf) }, history: layers.map((_, at) => ({ created_by: `layer ${at}` })) };
  const put = async (bytes: Buffer, type: string): Promise<Descriptor> => {
    await putBlob(host, repository, bytes, pusher);
    return { mediaType: `${OCI}.${type}`, digest: digestOf(bytes), size: bytes.length };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: await put(Buffer.from(JSON.stringify(image)), "config.v1+json"),
    layers: await Promise.all(layers.map((layer) => put(gzipSync(layer), "layer.v1.tar+gzip"))),
  };
  const descriptor = await putManifest(host, repository, tag, manifest, pusher);
  return { ...descriptor, platform: { os: "linux", architecture } };
}

export function putIndex(host: string, repository: string, tag: string, manifests: readonly Descriptor[]): Promise<Descriptor> {
  return putManifest(host, repository, tag, { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests });
}

/** Any document; under its digest when no tag is given. */
export async function putManifest(host: string, repository: string, tag: string | undefined, json: { readonly mediaType: string; readonly [key: string]: unknown }, pusher: Pusher = {}): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(json));
  const descriptor = { mediaType: json.mediaType, digest: digestOf(bytes), size: bytes.length };
  const answer = await send(`http://${host}/v2/${repository}/manifests/${tag ?? descriptor.digest}`, "PUT", bytes, { ...pusher, "content-type": json.mediaType });
  if (answer.status !== 201) throw new Error(`put a manifest: ${answer.status} ${await answer.text()}`);
  return descriptor;
}

export async function putBlob(host: string, repository: string, bytes: Buffer, pusher: Pusher = {}): Promise<void> {
  const begun = await send(`http://${host}/v2/${repository}/blobs/uploads/`, "POST", undefined, { ...pusher });
  const at = new URL(begun.headers.get("location")!, `http://${host}`);
  at.searchParams.set("digest", digestOf(bytes));
  const answer = await send(at.href, "PUT", bytes, { ...pusher, "content-type": "application/octet-stream" });
  if (answer.status !== 201) throw new Error(`put a blob: ${answer.status} ${await answer.text()}`);
}

function send(url: string, method: string, body: Buffer | undefined, headers: Record<string, string>): Promise<Response> {
  return fetch(url, { method, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) });
}
