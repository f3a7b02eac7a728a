/** The help pages, in docker's layout. */
import type { Entry, Group } from "../client.ts";
import type { Flags } from "../flags/flags.ts";
import { renderFlags } from "../flags/help.ts";
import { globalFlags } from "../globals.ts";
import { groups, topLevel } from "./commands.ts";

const WIDTH = 80;
const COMMON = ["run", "exec", "ps", "images", "logs", "version", "info", "explain"];

export function renderCommand(entry: Entry, flags: Flags, path: string, columns: number): string {
  const usage = `Usage:  ${path}${entry.usage === "" ? "" : ` ${entry.usage}`}\n\n${entry.short}\n`;
  const aliases = (entry.aliases ?? []).map((each) => `gantry ${each}`).join(", ");
  const table = renderFlags(flags, columns || WIDTH);
  return `${usage}${aliases === "" ? "" : `\nAliases:\n  ${aliases}\n`}${table === "" ? "" : `\nOptions:\n${table}`}`;
}

export function renderGroup(group: Group, path: string): string {
  return (
    `Usage:  ${path} COMMAND\n\n${group.short}\n\nCommands:\n${renderEntries(group.entries)}` +
    `\nRun '${path} COMMAND --help' for more information on a command.\n`
  );
}

export function renderRoot(columns: number): string {
  const common = COMMON.map((name) => topLevel.find((entry) => entry.name === name)!);
  const rest = topLevel.filter((entry) => !COMMON.includes(entry.name));
  return [
    "Usage:  gantry [OPTIONS] COMMAND\n\nA container engine: images, containers, volumes and networks\n",
    `Common Commands:\n${renderEntries(common, false)}`,
    `Management Commands:\n${renderEntries([...groups, { name: "daemon", short: "Run the engine, or ask for its state (start, stop, status)" }])}`,
    `Commands:\n${renderEntries(rest)}`,
    `Global Options:\n${renderFlags(globalFlags, columns || WIDTH)}`,
    "Run 'gantry COMMAND --help' for more information on a command.\n",
  ].join("\n");
}

type Named = { readonly name: string; readonly short: string; readonly hidden?: boolean };

function renderEntries(entries: readonly Named[], sorted = true): string {
  const shown = entries.filter((entry) => !entry.hidden);
  if (sorted) shown.sort((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(11, ...shown.map(({ name }) => name.length));
  return shown.map((entry) => `  ${entry.name.padEnd(width)} ${entry.short}\n`).join("");
}
