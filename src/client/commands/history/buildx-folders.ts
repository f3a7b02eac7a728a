/** What buildx remembers on this machine of its own builds: the folder of each, which it tells no builder. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { configFolder } from "../../connect/config.ts";
import type { Cli } from "../../client.ts";

/** By the build's id: its folder's name. */
export function buildxFolders({ globals, env }: Cli): (ref: string) => string | undefined {
  const root = join(env["BUILDX_CONFIG"] || join(configFolder(globals.config, env), "buildx"), "refs");
  const nodes = list(root).flatMap((builder) => list(join(root, builder)).map((node) => join(root, builder, node)));
  return (ref) => {
    for (const node of nodes) {
      const name = nameIn(join(node, ref));
      if (name !== undefined) return name;
    }
    return undefined;
  };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name !== "__group__");
  } catch {
    return [];
  }
}

function nameIn(path: string): string | undefined {
  try {
    const { LocalPath: folder = "" } = JSON.parse(readFileSync(path, "utf8")) as { LocalPath?: string };
    return folder === "" || folder === "-" || folder.includes("://") ? undefined : basename(folder);
  } catch {
    return undefined;
  }
}
