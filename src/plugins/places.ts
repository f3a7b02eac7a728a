/** The folders in which plugins leave word of themselves, in the order in which they are looked through. */
export type PluginFolders = {
  readonly sockets: readonly string[];
  readonly descriptions: readonly string[];
};

/** The engine's own folders, then Docker's. */
export function pluginFolders(execRoot: string): PluginFolders {
  return {
    sockets: [`${execRoot}/plugins`, "/run/docker/plugins"],
    descriptions: ["/etc/gantry/plugins", "/usr/lib/gantry/plugins", "/etc/docker/plugins", "/usr/lib/docker/plugins"],
  };
}
