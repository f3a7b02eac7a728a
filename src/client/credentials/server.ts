/** Names of registries, as keys of credentials. */

/** Docker Hub's key, in config.json and in helpers. */
export const DOCKER_HUB = "https://index.docker.io/v1/";

export const serverOf = (domain: string): string => (domain === "docker.io" ? DOCKER_HUB : domain);

/** "https://host:5000/v2/" is "host:5000". */
export function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}
