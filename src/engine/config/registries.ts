/** Settings of registries: values by setting, checked as dockerd checks them. */
import { dirname, join } from "node:path";
import { fail } from "#base/errors.ts";
import type { RegistrySettings } from "./config.ts";

/** Docker's own folder comes last, so that what an administrator has set up there works here, too. */
const DOCKER_CERTS = "/etc/docker/certs.d";

/** `get`: the value of a setting, by key or flag. @throws invalid */
export function compileRegistries(get: <T>(name: string) => T): RegistrySettings {
  return {
    insecureRegistries: get<string[]>("insecure-registries").map(checkInsecure),
    mirrors: get<string[]>("registry-mirrors").map(checkMirror),
    hostFolders: [join(dirname(get("config-file")), "certs.d"), DOCKER_CERTS],
    proxies: compileProxies(get("proxies"), { http: get("http-proxy"), https: get("https-proxy"), no: get("no-proxy") }),
    maxDownloads: atLeastOne("max concurrent downloads", get("max-concurrent-downloads")),
    maxUploads: atLeastOne("max concurrent uploads", get("max-concurrent-uploads")),
    maxAttempts: atLeastOne("max download attempts", get("max-download-attempts")),
  };
}

type Proxies = RegistrySettings["proxies"];
const PROXY_KEYS = { "http-proxy": "http", "https-proxy": "https", "no-proxy": "no" } as const;

/** Flag, else file, else environment; the environment counts in both spellings, and never for a part that is set. */
function compileProxies(file: Readonly<Record<string, unknown>>, flags: Proxies): Proxies {
  const found: Record<keyof Proxies, string> = { ...flags };
  for (const [key, value] of Object.entries(file)) {
    const part = PROXY_KEYS[key as keyof typeof PROXY_KEYS];
    if (part === undefined) throw fail("invalid", `proxies: unknown key ${JSON.stringify(key)}`);
    if (typeof value !== "string") throw fail("invalid", `proxies: ${key}: a text is expected`);
    if (flags[part] !== "" && value !== "" && flags[part] !== value) throw fail("invalid", `proxies: ${key} is given as a flag and in the configuration file`);
    found[part] ||= value;
  }
  const environment = (name: string) => process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return { http: found.http || environment("HTTP_PROXY"), https: found.https || environment("HTTPS_PROXY"), no: found.no || environment("NO_PROXY") };
}

export function atLeastOne(what: string, value: number): number {
  if (value >= 1) return value;
  throw fail("invalid", `invalid ${what}: ${value}`);
}

function checkMirror(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:") || url.host === "") {
    throw fail("invalid", `invalid mirror: ${JSON.stringify(withoutPassword(text))} is not a valid URI (expected https://host[:port][/path])`);
  }
  if (url.search !== "" || url.hash !== "") throw fail("invalid", `invalid mirror: ${JSON.stringify(url.host)} has a query or a fragment at the end of its URI`);
  if (url.username !== "" || url.password !== "") throw fail("invalid", `invalid mirror: user name and password are not allowed in the URI of ${url.host}`);
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

const withoutPassword = (text: string): string => text.replace(/\/\/[^/@]*@/, "//");

/** "host", "host:port" or CIDR. */
function checkInsecure(text: string): string {
  if (/^[a-z]+:\/\//i.test(text)) throw fail("invalid", `insecure registry ${text} should not contain '://'`);
  if (text.startsWith("-")) throw fail("invalid", `insecure registry ${text} is not valid: it begins with a dash`);
  if (/^[0-9a-f.:]+\/\d{1,3}$/i.test(text) || /^(\[[0-9a-f:]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(text)) return text.toLowerCase();
  throw fail("invalid", `insecure registry ${text} is not valid: expected host[:port], or addresses as CIDR`);
}
