/** Images as the API shows them, at the newest version. */
import { parseTime } from "#base/clock.ts";
import type { ImageRecord, ManifestRecord } from "../api.ts";

/** `driver`: where the storage is still told of as a driver's, below 1.52. */
export function inspectImage(image: ImageRecord, driver?: string): object {
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    ...(image.comment === "" ? {} : { Comment: image.comment }),
    ...(image.created === undefined ? {} : { Created: image.created }),
    ...(image.author === "" ? {} : { Author: image.author }),
    Config: configJson(image.config),
    Architecture: image.platform.architecture,
    ...(image.platform.variant === undefined ? {} : { Variant: image.platform.variant }),
    Os: image.platform.os,
    ...(image.osVersion === undefined ? {} : { OsVersion: image.osVersion }),
    Size: image.size,
    ...(driver === undefined ? {} : { GraphDriver: { Data: null, Name: driver } }),
    RootFS: { Type: "layers", ...(image.diffIds.length === 0 ? {} : { Layers: image.diffIds }) },
    Metadata: { LastTagTime: image.taggedAt ?? "0001-01-01T00:00:00Z" },
    Descriptor: image.descriptor,
    ...(image.manifests && { Manifests: image.manifests.map(manifestJson) }),
  };
}

export function summarizeImage(image: ImageRecord): object {
  const labels = image.config["Labels"] as Record<string, string> | undefined;
  return {
    Containers: image.containers,
    Created: Number((parseTime(image.created ?? "") ?? 0n) / 1_000_000_000n),
    Id: image.id,
    Labels: labels === undefined || labels === null || Object.keys(labels).length === 0 ? null : labels,
    ParentId: "",
    Descriptor: image.descriptor,
    ...(image.manifests && { Manifests: image.manifests.map(manifestJson) }),
    RepoDigests: image.repoDigests,
    RepoTags: image.repoTags,
    SharedSize: image.sharedSize ?? -1,
    Size: image.size,
  };
}

/** One manifest of an image, here or not. */
function manifestJson(manifest: ManifestRecord): object {
  const { descriptor, available, content, unpacked, kind } = manifest;
  return {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: available,
    Size: { Content: content, Total: content + unpacked },
    Kind: kind,
    ...(kind === "image" && { ImageData: { Platform: manifest.platform, Containers: manifest.containers, Size: { Unpacked: unpacked } } }),
    ...(kind === "attestation" && { AttestationData: { For: manifest.of } }),
  };
}

const SHOWN = ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell"];

/** The fields an image's configuration may have, without those that say nothing. */
function configJson(config: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(SHOWN.flatMap((name) => (saysNothing(config[name]) ? [] : [[name, config[name]]])));
}

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
