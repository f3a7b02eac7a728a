/** What `volume ls` shows of a volume. */
import { joinLabels } from "./containers.ts";
import type { View } from "./rows.ts";
import { humanSize } from "./units.ts";

/** Of GET /volumes, and of /system/df, which knows its size. */
export type Volume = {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Scope: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number } | null;
};

export const volumesView: View<Volume> = {
  type: "*formatter.volumeContext",
  table: ["Driver", "Name"],
  raw: [
    ["name", "Name"],
    ["driver", "Driver"],
  ],
  quiet: "Name",
  labels: (volume) => volume.Labels,
  fields: {
    Availability: ["AVAILABILITY", () => "N/A"],
    Driver: ["DRIVER", (volume) => volume.Driver],
    Group: ["GROUP", () => "N/A"],
    Labels: ["LABELS", (volume) => joinLabels(volume.Labels)],
    Links: ["LINKS", (volume) => (volume.UsageData ? String(volume.UsageData.RefCount) : "N/A")],
    Mountpoint: ["MOUNTPOINT", (volume) => volume.Mountpoint],
    Name: ["VOLUME NAME", (volume) => volume.Name],
    Scope: ["SCOPE", (volume) => volume.Scope],
    Size: ["SIZE", (volume) => (volume.UsageData ? humanSize(volume.UsageData.Size, 4) : "N/A")],
    Status: ["STATUS", () => "N/A"],
  },
};
