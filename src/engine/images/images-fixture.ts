/** For tests: images over a core of their own, and archives made in memory. */
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { openLog } from "#base/log.ts";
import { tarArchive } from "#base/tar-write.ts";
import { testCore } from "#core/core-fixture.ts";
import type { Core } from "#core/core.ts";
import { digits } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { openTrust } from "#transfer/trust/trust.ts";
import type { LoadProgress } from "../api/api.ts";
import { type EngineImages, openImages } from "./images.ts";

export type Used = Map<string, { running: boolean; ids: string[] }>;
export type TestImages = { images: EngineImages; core: Core; used: Used; events: string[] };

export async function testImages(t: TestContext, policy?: string): Promise<TestImages> {
  const core = await testCore(t);
  const used: Used = new Map();
  const events: string[] = [];
  const trust = await openTrust({ path: policy, log: openLog({ level: "fatal", format: "text" }), refused: ({ act, rule }) => void events.push(`refuse ${act} ${rule}`) });
  const images = openImages({
    core,
    trust,
    users: { usedImages: () => used, usedManifests: () => new Map() },
    publish: ({ Action, Actor }) => void events.push(`${Action} ${Actor.Attributes["name"]}`),
  });
  return { images, core, used, events };
}

type Entry = Parameters<typeof tarArchive>[0][number];

export const plainLayer = (text: string): Buffer => tarArchive([{ name: "dir", type: "directory" }, { name: `dir/${text}`, type: "file", data: text.repeat(50) }]);

export type Made = { layers?: Buffer[]; config?: Record<string, unknown>; architecture?: string; created?: string };

/** A configuration for these layers, uncompressed. */
export function configOf({ layers = [plainLayer("a")], config = {}, architecture = "amd64", created = "2026-01-01T00:00:00Z" }: Made): Buffer {
  return Buffer.from(JSON.stringify({
    architecture, os: "linux", created, config,
    rootfs: { type: "layers", diff_ids: layers.map(sha256) },
    history: layers.map((_, at) => ({ created, created_by: `step ${at}` })),
  }));
}

/** What `docker save` of old wrote. */
export function dockerArchive(images: (Made & { tags?: string[] | null; compress?: boolean })[]): Buffer {
  const entries: Entry[] = [];
  const manifest = images.map((image, at) => {
    const { layers = [plainLayer("a")], tags = ["test:latest"], compress = false } = image;
    const config = configOf(image);
    entries.push({ name: `${digits(sha256(config))}.json`, type: "file", data: config });
    layers.forEach((layer, index) => entries.push({ name: `${at}-${index}/layer.tar`, type: "file", data: compress ? gzipSync(layer) : layer }));
    return { Config: `${digits(sha256(config))}.json`, RepoTags: tags, Layers: layers.map((_, index) => `${at}-${index}/layer.tar`) };
  });
  return tarArchive([...entries, { name: "manifest.json", type: "file", data: JSON.stringify(manifest) }]);
}

export type Blobs = Map<string, Buffer>;

export function addBlob(blobs: Blobs, mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } {
  blobs.set(digits(sha256(bytes)), bytes);
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** Adds an image's blobs; its manifest's descriptor. */
export function addImage(blobs: Blobs, made: Made): { mediaType: string; digest: string; size: number } {
  const { layers = [plainLayer("a")] } = made;
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: addBlob(blobs, MEDIA.ociConfig, configOf(made)),
    layers: layers.map((layer) => addBlob(blobs, MEDIA.ociLayerGzip, gzipSync(layer))),
  };
  return addBlob(blobs, MEDIA.ociManifest, Buffer.from(JSON.stringify(manifest)));
}

export function ociArchive(blobs: Blobs, manifests: Record<string, unknown>[]): Buffer {
  return tarArchive([
    { name: "oci-layout", type: "file", data: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", type: "file", data: JSON.stringify({ schemaVersion: 2, manifests }) },
    ...[...blobs].map(([name, data]): Entry => ({ name: `blobs/sha256/${name}`, type: "file", data })),
  ]);
}

const noSignal = new AbortController().signal;

export async function load(images: EngineImages, archive: Buffer, size = 10_000): Promise<LoadProgress[]> {
  const steps: LoadProgress[] = [];
  for await (const step of images.load(pieces(archive, size), { signal: noSignal })) if (step.kind === "loaded") steps.push(step);
  return steps;
}

export async function save(images: EngineImages, refs: string[], platforms: { os: string; architecture: string }[] = []): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of await images.save(refs, { platforms, signal: noSignal })) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

export async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const loaded = (name: string): LoadProgress => ({ kind: "loaded", name, named: true });

export const tags = async (images: EngineImages, filters: Record<string, string[]> = {}): Promise<string[]> =>
  (await images.list({ all: false, filters: new Map(Object.entries(filters)), sharedSize: false })).map((record) => record.repoTags.join(",") || "<none>");
