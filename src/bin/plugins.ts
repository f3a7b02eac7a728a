/** Plugins, joined to what they serve; loaded when the first name is asked for that is none of ours. */
import { existsSync } from "node:fs";
import type { Log } from "#base/log.ts";
import type { RemoteIpam, Remotes } from "#network/network.ts";
import { pluginFolders } from "#plugins/places.ts";
import type { Plugin, PluginVolumeDriver, Plugins } from "#plugins/plugins.ts";
import type { VolumeDrivers } from "#volumes/volumes.ts";

export type PluginParts = {
  readonly execRoot: string;
  /** Seconds that a plugin has for an answer. */
  readonly timeout: () => number;
  /** Whether something the engine keeps belongs to a plugin of this name. */
  readonly expected: (name: string) => boolean;
  readonly log: Log;
};

export type JoinedPlugins = {
  readonly volumes: VolumeDrivers;
  readonly networks: Remotes;
  /** Those that have been found and have answered, for `info`. */
  volumeNames(): readonly string[];
};

export function openPluginsLater({ execRoot, timeout, expected, log }: PluginParts): JoinedPlugins {
  const folders = pluginFolders(execRoot);
  const isNobody = () => ![...folders.sockets, ...folders.descriptions].some((folder) => existsSync(folder));
  let opened: Plugins | undefined;
  let loading: Promise<{ plugins: Plugins; parts: typeof import("#plugins/plugins.ts") }> | undefined;
  const load = async () => {
    const parts = await import("#plugins/plugins.ts");
    opened = parts.openPlugins({ folders, deadlineMs: () => timeout() * 1000, expected, log });
    return { parts, plugins: opened };
  };
  const loaded = () => (loading ??= load());
  /** What a plugin is able to do is asked once, as long as it is the same. */
  const ofVolumes = new WeakMap<Plugin, PluginVolumeDriver>();
  const ofIpam = new WeakMap<Plugin, Promise<RemoteIpam>>();
  return {
    volumes: {
      async find(name) {
        const { plugins, parts } = await loaded();
        const plugin = await plugins.find(name, "VolumeDriver");
        const driver = ofVolumes.get(plugin) ?? parts.volumeDriver(plugin);
        ofVolumes.set(plugin, driver);
        return driver;
      },
      async names() {
        if (isNobody()) return [];
        return (await (await loaded()).plugins.all("VolumeDriver")).map(({ name }) => name);
      },
    },
    networks: {
      async driver(name) {
        const { plugins, parts } = await loaded();
        return parts.networkDriver(await plugins.find(name, "NetworkDriver"));
      },
      async ipam(name) {
        const { plugins, parts } = await loaded();
        const plugin = await plugins.find(name, "IpamDriver");
        const driver = ofIpam.get(plugin) ?? parts.ipamDriver(plugin);
        ofIpam.set(plugin, driver);
        driver.catch(() => ofIpam.delete(plugin));
        return await driver;
      },
    },
    volumeNames: () => opened?.known("VolumeDriver") ?? [],
  };
}
