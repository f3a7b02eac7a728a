import { define } from "../../client.ts";
import { millis } from "../../build/progress/trace.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { humanDuration } from "../../format/units.ts";
import { buildxFolders } from "./buildx-folders.ts";
import { type Build, listBuilds, nameOf, statusOf, withControl } from "./builds.ts";

export const command = define({
  flags: {
    format: text("", FORMAT.table.replace(".ID", ".Ref")),
    "no-trunc": bool("", "Don't shorten what is shown"),
    quiet: bool("q", "Show ids only"),
  },
  async run(cli, { format, quiet, "no-trunc": full }) {
    await printRows(cli.out, view(full, buildxFolders(cli)), await withControl(cli, listBuilds), { format, quiet });
  },
});

const NAME = 40;

function view(full: boolean, folderOf: (ref: string) => string | undefined): View<Build> {
  const name = (build: Build) => {
    const whole = nameOf(build, folderOf);
    return full || whole.length <= NAME ? whole : `${whole.slice(0, NAME - 1)}…`;
  };
  return {
    type: "*history.lsContext",
    table: ["Ref", "Name", "Status", "CreatedAt", "Duration", "CachedSteps"],
    quiet: "Ref",
    fields: {
      CachedSteps: ["CACHED STEPS", (build) => `${build.cachedSteps}/${build.totalSteps}`],
      CreatedAt: ["CREATED AT", (build) => `${humanDuration((Date.now() - (millis(build.createdAt) ?? 0)) / 1000)} ago`],
      Duration: ["DURATION", (build) => duration(build)],
      Error: ["ERROR", (build) => build.error?.message ?? ""],
      Name: ["NAME", name],
      Ref: ["BUILD ID", (build) => build.ref],
      Status: ["STATUS", statusOf],
    },
  };
}

export function duration({ createdAt, completedAt }: Build): string {
  const seconds = ((millis(completedAt) ?? Date.now()) - (millis(createdAt) ?? 0)) / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)}s` : `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`;
}
