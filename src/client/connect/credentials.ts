import type { Config } from "./config.ts";

/** The X-Registry-Auth header for a registry, from what `docker login` left in config.json. Undefined: none. */
export function credentialsFor(config: Config, domain: string): string | undefined {
  const auths = config.all["auths"];
  if (typeof auths !== "object" || auths === null) return undefined;
  const server = domain === "docker.io" ? "https://index.docker.io/v1/" : domain;
  const entry = (auths as Record<string, { auth?: string; identitytoken?: string; registrytoken?: string }>)[server];
  if (entry === undefined) return undefined;
  const [username = "", ...password] = Buffer.from(entry.auth ?? "", "base64").toString().split(":");
  const auth = {
    username,
    password: password.join(":").replace(/\0+$/, ""),
    serveraddress: server,
    ...(entry.identitytoken ? { identitytoken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registrytoken: entry.registrytoken } : {}),
  };
  return Buffer.from(JSON.stringify(auth)).toString("base64url");
}
