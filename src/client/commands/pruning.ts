/** What prunes have in common: asking the engine, to do it or to say what it would do, and telling what went. */
import { fail } from "#base/errors.ts";
import type { Cli } from "../client.ts";
import type { Api } from "../connect/connect.ts";
import { humanSize } from "../format/units.ts";
import { encodeFilters } from "./each.ts";

export type Filter = Readonly<Record<string, readonly string[]>>;
/** `all` is a question's own field only of builds: images are asked for by a filter. */
export type PruneRequest = { readonly filter: Filter; readonly dryRun?: boolean; readonly all?: boolean };

/** One kind's answer: a line for each that went, under a title, and the bytes. */
export type Pruned = { readonly title: string; readonly lines: readonly string[]; readonly bytes: number };

type PrunedImage = { readonly Untagged?: string; readonly Deleted?: string };

const KINDS = {
  containers: { title: "Containers", key: "ContainersDeleted" },
  images: { title: "Images", key: "ImagesDeleted" },
  volumes: { title: "Volumes", key: "VolumesDeleted" },
  networks: { title: "Networks", key: "NetworksDeleted" },
  build: { title: "build cache objects", key: "CachesDeleted" },
} as const;

export type PruneKind = keyof typeof KINDS;

export async function prune(api: Api, kind: PruneKind, { filter, dryRun = false, all }: PruneRequest): Promise<Pruned> {
  const query = { filters: encodeFilters(filter), all };
  const answer = dryRun ? await foretell(api, kind, query) : await api.json<Record<string, unknown>>("POST", `/${kind}/prune`, { query });
  return { ...goneOf(kind, answer), bytes: Number(answer["SpaceReclaimed"] ?? 0) };
}

function goneOf(kind: PruneKind, answer: Readonly<Record<string, unknown>>): Omit<Pruned, "bytes"> {
  const { title, key } = KINDS[kind];
  const deleted = (answer[key] ?? []) as (string | PrunedImage)[];
  return { title, lines: deleted.map(lineOf) };
}

/** The kinds in the order in which they would go. */
export function showForetold(cli: Cli, answer: Readonly<Record<string, unknown>>): void {
  for (const kind of ["containers", "networks", "volumes", "images", "build"] as const) showLines(cli, goneOf(kind, answer), true);
  showBytes(cli, Number(answer["SpaceReclaimed"] ?? 0), true);
}

/** Only an engine that is Gantry can say it: for any other the path does not exist, and nothing happens. */
export async function foretell(api: Api, kind: PruneKind | "system", query: Readonly<Record<string, string | boolean | undefined>>): Promise<Record<string, unknown>> {
  try {
    return await api.json<Record<string, unknown>>("GET", `/gantry/prune/${kind}`, { query });
  } catch (error) {
    if ((error as { facts?: { httpStatus?: number } }).facts?.httpStatus !== 404) throw error;
    throw fail("not-implemented", "--dry-run: this engine cannot say what it would remove", { cause: error });
  }
}

const lineOf = (item: string | PrunedImage): string => (typeof item === "string" ? item : item.Untagged ? `untagged: ${item.Untagged}` : `deleted: ${item.Deleted}`);

export function showLines(cli: Cli, { title, lines }: Omit<Pruned, "bytes">, dryRun: boolean): void {
  if (lines.length > 0) cli.out.write(`${dryRun ? `Would delete ${title}` : `Deleted ${title}`}:\n${lines.join("\n")}\n\n`);
}

export function showPruned(cli: Cli, all: readonly Pruned[], dryRun: boolean): void {
  for (const one of all) showLines(cli, one, dryRun);
  showBytes(cli, all.reduce((sum, one) => sum + one.bytes, 0), dryRun);
}

function showBytes(cli: Cli, bytes: number, dryRun: boolean): void {
  cli.out.write(`${dryRun ? "Would reclaim" : "Total reclaimed space"}: ${humanSize(bytes, 4)}\n`);
}

export const DRY_RUN = "Remove nothing: say what would be removed";
