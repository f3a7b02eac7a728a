/**
 * A plugin that keeps volumes, as a driver of `src/volumes` (whose type this has by shape: the two layers do not know each
 * other).
 */
import { fail } from "#base/errors.ts";
import { field, listOf, text, type Answer } from "./answer.ts";
import type { Plugin } from "./plugins.ts";
import { verbs, type Verbs } from "./verbs.ts";

type PluginVolume = { readonly name: string; readonly mountpoint: string; readonly createdAt: string; readonly status?: Readonly<Record<string, unknown>> };

type Abilities = { readonly scope: "local" | "global" };

export type PluginVolumeDriver = {
  readonly name: string;
  capabilities(): Promise<Abilities>;
  create(name: string, options: Readonly<Record<string, string>>): Promise<void>;
  remove(name: string): Promise<void>;
  mount(name: string, id: string): Promise<string>;
  unmount(name: string, id: string): Promise<void>;
  path(name: string): Promise<string>;
  get(name: string): Promise<PluginVolume | undefined>;
  list(): Promise<readonly PluginVolume[]>;
};

export function volumeDriver(plugin: Plugin): PluginVolumeDriver {
  const call = verbs(plugin, "VolumeDriver");
  let abilities: Promise<Abilities> | undefined;
  return {
    name: plugin.name,
    capabilities: () => (abilities ??= askAbilities(call)),
    async create(name, options) {
      await call("Create", { Name: name, Opts: Object.keys(options).length === 0 ? null : options });
    },
    async remove(name) {
      await call("Remove", { Name: name });
    },
    async mount(name, id) {
      const path = text(await call("Mount", { Name: name, ID: id }), "Mountpoint");
      if (isFolder(path)) return path;
      // What is mounted and cannot be used is given back at once.
      await call("Unmount", { Name: name, ID: id }).catch(() => {});
      throw fail("internal", `the plugin has mounted the volume at ${JSON.stringify(path)}: not an absolute path`);
    },
    async unmount(name, id) {
      await call("Unmount", { Name: name, ID: id });
    },
    async path(name) {
      const path = text(await call("Path", { Name: name }), "Mountpoint");
      return isFolder(path) ? path : "";
    },
    /** What it says of a name it does not know is its own words: any complaint means that. */
    async get(name) {
      const answer = await call("Get", { Name: name }).catch((error: unknown) => {
        if ((error as { facts?: Answer }).facts?.["said"] === true) return {};
        throw error;
      });
      return toVolume(field(answer, "Volume"), name);
    },
    async list() {
      return listOf(field(await call("List", {}), "Volumes")).flatMap((one) => toVolume(one) ?? []);
    },
  };
}

/** Plugins need not have this verb: then a volume is this host's. */
async function askAbilities(call: Verbs): Promise<Abilities> {
  const answer = await call("Capabilities", {}).catch(() => ({}));
  const scope = field(field(answer, "Capabilities"), "Scope");
  return { scope: typeof scope === "string" && scope.toLowerCase() === "global" ? "global" : "local" };
}

function toVolume(given: unknown, asked?: string): PluginVolume | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const name = asked ?? text(given, "Name");
  if (name === "") return undefined;
  const mountpoint = text(given, "Mountpoint");
  const status = field(given, "Status");
  return {
    name,
    mountpoint: isFolder(mountpoint) ? mountpoint : "",
    createdAt: text(given, "CreatedAt"),
    ...(typeof status === "object" && status !== null && !Array.isArray(status) ? { status: status as Record<string, unknown> } : {}),
  };
}

/** It is mounted by `cell`, which wants an absolute path without surprises. */
const isFolder = (path: string) => /^\/[^\0]*$/.test(path) && path.length < 4096 && !path.split("/").includes("..");
