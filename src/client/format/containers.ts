/** What `ps` shows of a container. */
import { quote } from "#spec/go-template-quote.ts";
import { compactPorts, type Port } from "./ports.ts";
import type { View } from "./rows.ts";
import { goTime } from "./time.ts";
import { ellipsis, humanDuration, humanSize, shortId } from "./units.ts";

/** GET /containers/json. */
export type ContainerRow = {
  readonly Id: string;
  readonly Names: readonly string[] | null;
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  readonly Created: number;
  readonly Ports: readonly Port[] | null;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly State: string;
  readonly Status: string;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null } | null;
  readonly Mounts?: readonly { readonly Name?: string; readonly Source: string; readonly Driver?: string }[] | null;
  readonly ImageManifestDescriptor?: { readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string } };
};

export function containersView(options: { full: boolean; size: boolean; now?: number }): View<ContainerRow> {
  const { full, size, now = Date.now() / 1000 } = options;
  return {
    type: "*formatter.ContainerContext",
    table: ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", ...(size ? ["Size"] : [])],
    raw: [
      ["container_id", "ID"],
      ["image", "Image"],
      ["command", "Command"],
      ["created_at", "CreatedAt"],
      ["state", "State"],
      ["status", "Status"],
      ["names", "Names"],
      ["labels", "Labels"],
      ["ports", "Ports"],
      ...(size ? ([["size", "Size"]] as const) : []),
    ],
    quiet: "ID",
    labels: (row) => row.Labels,
    fields: {
      Command: ["COMMAND", (row) => quote(full ? row.Command : ellipsis(row.Command, 20))],
      CreatedAt: ["CREATED AT", (row) => goTime(row.Created)],
      ID: ["CONTAINER ID", (row) => (full ? row.Id : shortId(row.Id))],
      Image: ["IMAGE", (row) => imageOf(row, full)],
      Labels: ["LABELS", (row) => joinLabels(row.Labels)],
      LocalVolumes: ["LOCAL VOLUMES", (row) => String((row.Mounts ?? []).filter((each) => each.Driver === "local").length)],
      Mounts: ["MOUNTS", (row) => (row.Mounts ?? []).map((each) => mountName(each, full)).join(",")],
      Names: ["NAMES", (row) => namesOf(row, full)],
      Networks: ["NETWORKS", (row) => Object.keys(row.NetworkSettings?.Networks ?? {}).sort().join(",")],
      Platform: ["PLATFORM", (row) => row.ImageManifestDescriptor?.platform ?? null],
      Ports: ["PORTS", (row) => compactPorts(row.Ports ?? [])],
      RunningFor: ["CREATED", (row) => `${humanDuration(now - row.Created)} ago`],
      Size: ["SIZE", (row) => sizeOf(row)],
      State: ["STATE", (row) => row.State],
      Status: ["STATUS", (row) => row.Status],
    },
  };
}

export function joinLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

function imageOf(row: ContainerRow, full: boolean): string {
  if (row.Image === "") return "<no image>";
  if (full) return row.Image;
  if (shortId(row.ImageID) === shortId(row.Image)) return shortId(row.ImageID);
  // A name with both a tag and a digest is known by its tag.
  const at = row.Image.indexOf("@");
  const name = at < 0 ? row.Image : row.Image.slice(0, at);
  return name.lastIndexOf(":") > name.lastIndexOf("/") ? name : row.Image;
}

/** A name with a slash inside is a link's alias. */
function namesOf(row: ContainerRow, full: boolean): string {
  const names = (row.Names ?? []).map((name) => name.replace(/^\//, ""));
  const own = full ? undefined : names.find((name) => !name.includes("/"));
  return own ?? names.join(",");
}

function mountName(mount: { readonly Name?: string; readonly Source: string }, full: boolean): string {
  const name = mount.Name || mount.Source;
  return full ? name : ellipsis(name, 15);
}

function sizeOf(row: ContainerRow): string {
  const own = humanSize(row.SizeRw ?? 0);
  return (row.SizeRootFs ?? 0) > 0 ? `${own} (virtual ${humanSize(row.SizeRootFs!)})` : own;
}
