/** A container's record as GET /containers/json lists it, at the newest version. */
import { parseTime } from "#base/clock.ts";
import { humanDuration } from "#spec/api-duration.ts";
import type { ContainerRecord } from "../../engine.ts";
import { mountPointJson } from "./inspect.ts";
import { networkSummariesOf, portListOf } from "./networking.ts";

export function summarizeContainer(record: ContainerRecord, now: number, size?: { rw: number; root: number }): object {
  const { Annotations: annotations, NetworkMode } = record.hostConfig;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: record.image,
    ImageID: record.imageId,
    Command: [record.path, ...record.args.map((word) => (word.includes(" ") ? `'${word}'` : word))].join(" "),
    Created: Math.floor(millisOf(record.created) / 1000),
    Ports: portListOf(record),
    ...(size === undefined ? {} : { ...(size.rw === 0 ? {} : { SizeRw: size.rw }), SizeRootFs: size.root }),
    Labels: record.config.Labels,
    State: record.state.status,
    Status: statusText(record, now),
    ...healthSummary(record),
    HostConfig: { NetworkMode, ...(annotations === undefined ? {} : { Annotations: annotations }) },
    NetworkSettings: { Networks: networkSummariesOf(record) },
    Mounts: record.mounts.map((mount) => ({ ...mountPointJson(mount), ...(mount.Anonymous ? { Source: "" } : {}) })),
  };
}

/** Docker shows it for all: "none" where there is no check. */
function healthSummary({ state: { health } }: ContainerRecord): object {
  return { Health: { Status: health?.status ?? "none", FailingStreak: health?.failingStreak ?? 0 } };
}

/** "Up 2 hours (Paused)", "Exited (137) 3 days ago". */
export function statusText(record: ContainerRecord, now: number): string {
  const { status, exitCode, startedAt, finishedAt } = record.state;
  const since = (time: string) => humanDuration(now - millisOf(time));
  switch (status) {
    case "running":
      return `Up ${since(startedAt)}${healthText(record)}`;
    case "paused":
      return `Up ${since(startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${exitCode}) ${since(finishedAt)} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return finishedAt.startsWith("0001-") ? "Created" : `Exited (${exitCode}) ${since(finishedAt)} ago`;
  }
}

function healthText({ state: { health } }: ContainerRecord): string {
  if (health === undefined) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}

const millisOf = (time: string) => Number((parseTime(time) ?? 0n) / 1_000_000n);
