/** Upstreams, webhooks and issuers, as the file of settings has them. */
import { readFile } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import type { JsonObject } from "#base/json.ts";
import type { IssuerSettings } from "../access/issuers.ts";
import type { UpstreamSettings } from "../cache/cache.ts";
import type { RegistryEvent } from "../events/events.ts";
import type { WebhookSettings } from "../events/webhook.ts";
import { readFields } from "./fields.ts";

/** { "prefix": "docker.io", "registry": "docker.io", "only": ["library/**"], "username": "…", "passwordFile": "…", "ttl": "5m" } */
export async function readUpstream(object: JsonObject): Promise<UpstreamSettings & { readonly insecure: boolean }> {
  const fields = readFields(object, "upstreams", ["prefix", "registry", "only", "username", "passwordFile", "ttl", "insecure"]);
  const [username, file] = [fields.text("username"), fields.text("passwordFile")];
  if ((username === undefined) !== (file === undefined)) throw fail("invalid", "upstreams: username and passwordFile: both are needed, or none");
  const prefix = fields.text("prefix") ?? "";
  if (prefix.startsWith("/") || prefix.endsWith("/")) throw fail("invalid", `upstreams: prefix ${JSON.stringify(prefix)}: without "/" at its ends`);
  return {
    prefix,
    registry: fields.needed("registry"),
    only: fields.texts("only"),
    ...(username !== undefined && file !== undefined && { credentials: { username, password: (await readFile(file, "utf8")).replace(/\r?\n$/, "") } }),
    ttlMs: fields.duration("ttl"),
    insecure: fields.flag("insecure"),
  };
}

/** { "issuer": "https://ci.example", "audience": "registry.example", "keys": "FILE", "realm": "https://ci.example/token" } */
export function readIssuer(object: JsonObject): IssuerSettings {
  const fields = readFields(object, "issuers", ["issuer", "audience", "keys", "realm"]);
  return { issuer: fields.needed("issuer"), audience: fields.needed("audience"), keys: fields.needed("keys"), realm: fields.text("realm") };
}

const KINDS: readonly RegistryEvent["kind"][] = ["push", "pull", "delete", "mount"];

/** { "name": "ci", "url": "https://ci.example/hook", "headers": { "Authorization": "…" }, "actions": ["push"], "timeout": "5s" } */
export function readWebhook(object: JsonObject): WebhookSettings {
  const fields = readFields(object, "webhooks", ["name", "url", "headers", "actions", "timeout", "backoff"]);
  const url = fields.needed("url");
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) throw fail("invalid", "webhooks: url: an http or https URL is expected");
  const kinds = fields.texts("actions")?.map((action) => {
    const kind = KINDS.find((one) => one === action);
    if (kind === undefined) throw fail("invalid", `webhooks: actions: ${JSON.stringify(action)} is none of ${KINDS.join(", ")}`);
    return kind;
  });
  return { name: fields.text("name") ?? new URL(url).host, url, headers: fields.map("headers"), kinds, timeoutMs: fields.duration("timeout"), backoffMs: fields.duration("backoff") };
}
