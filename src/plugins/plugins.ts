/**
 * Plugins: programs beside the engine that keep volumes, make networks or give addresses, spoken to by Docker's plugin
 * protocol (a JSON document to and fro, `POST /VolumeDriver.Mount`, on a socket).
 *
 *     const plugins = openPlugins({ folders: pluginFolders("/run/gantry"), log });
 *     const plugin = await plugins.find("sshfs", "VolumeDriver");       // looked for, connected to, asked what it is
 *     const driver = volumeDriver(plugin);
 *     await driver.mount("data", container);
 *
 * A plugin is found by a file in one of the folders: `NAME.sock` or `NAME/NAME.sock`, a socket; `NAME.spec`, an address;
 * `NAME.json`, an address and TLS. Nothing is looked for before it is needed, and the files are read again each time, so
 * that a plugin may come, go and come back at another address while the engine runs.
 *
 * A plugin is a stranger: it may hang, lie, talk without end and go away. Every exchange has a deadline and a largest
 * answer, what it says is checked before it is used, and only who asked for it waits for it.
 */

/** What a plugin says that it can do; others are let be. */
export type Subsystem = "VolumeDriver" | "NetworkDriver" | "IpamDriver";

export type Plugin = {
  readonly name: string;
  /** "unix:///run/docker/plugins/x.sock" */
  readonly address: string;
  readonly implements: readonly string[];
  /**
   * One exchange: "VolumeDriver.Create". What it gives is an object, of any shape.
   * @throws internal, with Docker's texts, and the fact `unanswered` when it cannot be reached or has not answered in time:
   * then it may have done what it was asked, and is not asked for anything else that can wait
   */
  call(method: string, body: object, options?: { deadlineMs?: number }): Promise<Readonly<Record<string, unknown>>>;
};

export type Plugins = {
  /**
   * Those who ask at the same time share one look.
   * @throws not-found `plugin "x" not found`; internal `legacy plugin: …`, also when it does not do that
   */
  find(name: string, subsystem: Subsystem): Promise<Plugin>;
  /** Every plugin of the folders that does this. Those that do not answer are logged, and left out for a while. */
  all(subsystem: Subsystem): Promise<readonly Plugin[]>;
  /** Names of those that have been found and answered, for `info`; asks nobody. */
  known(subsystem: Subsystem): readonly string[];
};

export { pluginFolders, type PluginFolders } from "./places.ts";
export { openPlugins, type PluginsOptions } from "./open.ts";
export { volumeDriver, type PluginVolumeDriver } from "./volume-driver.ts";
export { ipamDriver } from "./ipam-driver.ts";
export { networkDriver } from "./network-driver.ts";
