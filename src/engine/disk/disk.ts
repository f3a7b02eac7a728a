/**
 * The disk: what uses it, whether what is on it is whole, and how it never fills.
 *
 *     const disk = openDisk({ core, images, containers, volumes, publish, settings, log });
 *     const usage = await disk.usage({ images: true, containers: true, volumes: true });
 *     for await (const finding of disk.check({ repair: false, signal })) …
 *     const { removed } = await disk.collect({ dryRun: true });
 *
 * `collect` removes images by rules (docs/guides/disk.md): those that nobody used for longer than an age, and, when the
 * disk is fuller than its high watermark, the longest unused ones until it is at the low one. An image that a container
 * uses, that is pinned, or that was used a moment ago is never taken.
 */
import type { Log } from "#base/log.ts";
import type { Finding } from "#core/check/check.ts";
import type { Core } from "#core/core.ts";
import type { ImageRecord, RemovedImage } from "../api/api.ts";
import type { ContainerRecord, Containers, Events, VolumeRecord, Volumes } from "../engine.ts";
import type { EngineImages } from "../images/images.ts";
import type { GcSettings } from "./settings.ts";

export { openDisk } from "./open-disk.ts";
export type { GcSettings } from "./settings.ts";

export type Disk = {
  usage(wanted: UsageKinds): Promise<Usage>;
  /** Whether the store is whole: what core's check sees, and that containers have their trees and volumes their folders. */
  check(options: { repair: boolean; signal: AbortSignal }): AsyncIterable<Finding>;
  /** Removes images by the engine's rules, or by others for this once. */
  collect(options: { dryRun: boolean; settings?: Partial<GcSettings> }): Promise<Collected>;
  /** The settings changed: the next round comes when they say. */
  reload(): void;
  /** Ends the rounds that run by themselves. */
  close(): void;
};

export type UsageKinds = { readonly images: boolean; readonly containers: boolean; readonly volumes: boolean };

/** Of a kind: how many there are, how many are in use, what they take, and what could be freed. */
export type KindUsage<T> = {
  readonly items: readonly T[];
  readonly active: number;
  readonly bytes: number;
  readonly reclaimable: number;
};

export type ContainerUsage = { readonly record: ContainerRecord; readonly size: { readonly rw: number; readonly root: number } };
export type VolumeUsage = { readonly record: VolumeRecord; readonly bytes: number; readonly users: number };

export type Usage = {
  readonly images?: KindUsage<ImageRecord>;
  readonly containers?: KindUsage<ContainerUsage>;
  readonly volumes?: KindUsage<VolumeUsage>;
};

export type Collected = {
  /** The longest unused first. With `dryRun`: what would be removed. */
  readonly removed: readonly CollectedImage[];
  readonly reclaimed: number;
  /** Of the file system that holds the data root, after it. */
  readonly disk: { readonly total: number; readonly used: number };
};

export type CollectedImage = {
  readonly id: string;
  readonly names: readonly string[];
  readonly bytes: number;
  /** "unused for 31 days", "the disk is 91% full". */
  readonly reason: string;
  readonly told: readonly RemovedImage[];
};

export type DiskParts = {
  readonly core: Core;
  readonly images: EngineImages;
  readonly containers: Pick<Containers, "list" | "size">;
  readonly volumes: Volumes;
  readonly publish: Events["publish"];
  /** Read at each round's beginning: a reload takes effect. */
  readonly settings: () => GcSettings;
  readonly log: Log;
};
