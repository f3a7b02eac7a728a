/**
 * What a container has mounted: decided when it is made, from what it inherits (--volumes-from), -v, --mount and the
 * image's VOLUMEs, in this order; the first to claim a place has it. Volumes are made on demand.
 */
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { normalize } from "node:path/posix";
import { fail } from "#base/errors.ts";
import type { HostConfig, Mount } from "#spec/docker.ts";
import { checkVolumeName, localVolumePath, parseBind, parseVolumesFrom, type BindSpec } from "#volumes/volumes.ts";
import type { WantedVolume } from "../../volumes/volumes.ts";
import type { ContainerRecord, MountPoint } from "../../engine.ts";

/** A mount point, and what is to be done for it. */
export type PlannedMount = MountPoint & {
  /** Fill the volume with what the image has at its place, if it is empty. */
  readonly copyUp: boolean;
  /** The volume to make if there is none of its name. */
  readonly wanted?: WantedVolume;
};

export type MountQuestion = {
  readonly hostConfig: HostConfig;
  /** VOLUMEs of the image and of the request. */
  readonly volumes: Readonly<Record<string, unknown>>;
  /** Where local volumes are. */
  readonly root: string;
  /** The container of a --volumes-from. @throws not-found */
  readonly find: (ref: string) => ContainerRecord;
};

/** Pure but for the look-up. @throws invalid, with Docker's texts */
export function planMounts({ hostConfig, volumes, root, find }: MountQuestion): PlannedMount[] {
  const places = new Map<string, PlannedMount>();
  const own = new Set<string>();
  for (const spec of hostConfig.VolumesFrom ?? []) for (const mount of inherited(spec, find)) places.set(mount.Destination, mount);
  const claim = (mount: PlannedMount) => {
    if (own.has(mount.Destination)) throw fail("invalid", `Duplicate mount point: ${mount.Destination}`);
    own.add(mount.Destination);
    places.set(mount.Destination, mount);
  };
  const driver = hostConfig.VolumeDriver;
  for (const raw of hostConfig.Binds ?? []) claim(fromBind(parseBind(raw), { root, driver }));
  for (const mount of hostConfig.Mounts) claim(fromMount(mount, root));
  const tmpfs = new Set(Object.keys(hostConfig.Tmpfs).map(clean));
  for (const path of Object.keys(volumes)) {
    const destination = clean(path);
    if (!places.has(destination) && !tmpfs.has(destination)) places.set(destination, volume({ destination, root, name: "", wanted: driverWish(driver) }));
  }
  return [...places.values()];
}

export function pointOf({ copyUp: _, wanted: __, ...point }: PlannedMount): MountPoint {
  return point;
}

/** --mount wants the source to be there; -v makes a folder when the container starts. @throws invalid */
export async function checkSources(hostConfig: HostConfig): Promise<void> {
  for (const { Type, Source, BindOptions } of hostConfig.Mounts) {
    if (Type !== "bind" || BindOptions?.CreateMountpoint === true) continue;
    const found = await stat(Source).catch(() => undefined);
    if (found === undefined) throw fail("invalid", `invalid mount config for type "bind": bind source path does not exist: ${Source}`);
  }
}

function inherited(spec: string, find: MountQuestion["find"]): PlannedMount[] {
  const { container, mode, readOnly } = parseVolumesFrom(spec);
  // An image's snapshot goes with the container that asked for it.
  const mounts = find(container).mounts.filter(({ Type }) => Type !== "image");
  return mounts.map((mount) => {
    const { Anonymous: _, ...rest } = mount;
    return { ...rest, Mode: mode, RW: mount.RW && !readOnly, copyUp: false };
  });
}

function fromBind(spec: BindSpec, { root, driver }: { root: string; driver: string | undefined }): PlannedMount {
  const { destination, mode, readOnly } = spec;
  const own = { RW: !readOnly, ...(spec.idMap ? { IdMap: true } : {}) };
  if (spec.type === "volume") {
    return { ...volume({ destination, root, name: spec.source, copyUp: spec.copy, wanted: driverWish(driver) }), Mode: mode || (spec.source === "" ? "" : "z"), ...own };
  }
  return {
    Type: "bind",
    Source: spec.source,
    Destination: destination,
    Mode: mode,
    ...own,
    Propagation: spec.propagation || "rprivate",
    copyUp: false,
  };
}

function fromMount(mount: Mount, root: string): PlannedMount {
  const rest = { Destination: clean(mount.Target), Mode: "", RW: !mount.ReadOnly, copyUp: false };
  if (mount.Type === "tmpfs") return { Type: "tmpfs", Source: "", Propagation: "", ...rest };
  if (mount.Type === "image") return { Type: "image", Source: mount.Source, Propagation: "", ...rest, RW: false, ...subPath(mount.ImageOptions?.Subpath) };
  if (mount.Type === "bind") {
    const { Propagation, IDMapping } = mount.BindOptions ?? {};
    return { Type: "bind", Source: clean(mount.Source), Propagation: Propagation || "rprivate", ...rest, ...(IDMapping === "match-user" ? { IdMap: true } : {}) };
  }
  const { NoCopy = false, Labels, DriverConfig, Subpath } = mount.VolumeOptions ?? {};
  const wanted = { ...(Labels === undefined ? {} : { labels: Labels }), ...driverWish(DriverConfig?.Name), ...(DriverConfig?.Options === undefined ? {} : { options: DriverConfig.Options }) };
  return {
    ...volume({ destination: rest.Destination, root, name: mount.Source, copyUp: !NoCopy && !Subpath, wanted }),
    Mode: "z",
    RW: rest.RW,
    ...subPath(Subpath),
  };
}

const subPath = (path: string | undefined) => (path ? { SubPath: path } : {});
const driverWish = (driver: string | undefined) => (driver ? { driver } : {});

type VolumePlan = { readonly destination: string; readonly root: string; readonly name: string; readonly copyUp?: boolean; readonly wanted?: Omit<WantedVolume, "name" | "anonymous"> };

function volume({ destination, root, name, copyUp = true, wanted = {} }: VolumePlan): PlannedMount {
  const anonymous = name === "";
  const actual = anonymous ? randomBytes(32).toString("hex") : name;
  checkVolumeName(actual);
  return {
    Type: "volume",
    Name: actual,
    Source: localVolumePath(root, actual),
    Destination: destination,
    Driver: wanted.driver ?? "local",
    Mode: "",
    RW: true,
    Propagation: "",
    ...(anonymous ? { Anonymous: true } : {}),
    copyUp,
    wanted: { ...wanted, name: actual, anonymous },
  };
}

function clean(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}
