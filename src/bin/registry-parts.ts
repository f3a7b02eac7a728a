/** What a registry is made of, as its configuration says: storage, accounts, listeners, upstreams. What is not used is not loaded. */
import { join } from "node:path";
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import { openAccess, type Access } from "#registry/access/access.ts";
import type { AccountsSettings } from "#registry/access/accounts.ts";
import { noUpstreams, type Upstreams } from "#registry/cache/cache.ts";
import type { RegistryConfig } from "#registry/config/config.ts";
import { readIssuer, readWebhook } from "#registry/config/listeners.ts";
import { noEvents, type Events } from "#registry/events/events.ts";
import type { Storage } from "#registry/storage/storage.ts";

type Doors = Readonly<Record<string, (call: Call) => Promise<void>>>;

export type RegistryParts = AsyncDisposable & { readonly storage: Storage; readonly access: Access; readonly events: Events; readonly upstreams: Upstreams; readonly doors: Doors };

export async function openParts(config: RegistryConfig, log: Log): Promise<RegistryParts> {
  await using stack = new AsyncDisposableStack();
  const storage = stack.use(await openStorage(config.root));
  const { access, doors: accountDoors } = await openAccounts(config, stack, log);
  const { events, doors: eventDoors } = await openListeners(config, stack, storage, log);
  const upstreams = stack.use(config.upstreams.length === 0 ? noUpstreams : await (await import("./registry-upstreams.ts")).openRegistryUpstreams(config.upstreams, log));
  const parts = stack.move();
  return { storage, access, events, upstreams, doors: { ...accountDoors, ...eventDoors }, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export async function openStorage(root: string): Promise<Storage> {
  if (!root.startsWith("s3://")) return await (await import("#registry/storage/folder.ts")).openFolderStorage(root);
  const { openS3Storage, parseS3Address } = await import("#registry/storage/s3.ts");
  return await openS3Storage(await parseS3Address(root));
}

async function openAccounts({ accounts, root }: RegistryConfig, stack: AsyncDisposableStack, log: Log): Promise<{ access: Access; doors: Doors }> {
  const { htpasswd, policy, anonymousPull, tokens, tokenKey, tokenUrl, issuers } = accounts;
  if (htpasswd === undefined && policy === undefined && issuers.length === 0) return { access: openAccess, doors: {} };
  const key = tokenKey ?? (root.startsWith("s3://") ? undefined : join(root, "token.key"));
  const settings: AccountsSettings = {
    htpasswd,
    policy,
    anonymousPull,
    issuers: issuers.map(readIssuer),
    // undefined: the policy decides whether tokens are needed.
    ...(key !== undefined && { tokens: { key, serve: tokens || undefined, url: tokenUrl } }),
  };
  const { openAccounts: open } = await import("#registry/access/accounts.ts");
  return stack.use(await open(settings, log));
}

async function openListeners({ events }: RegistryConfig, stack: AsyncDisposableStack, storage: Storage, log: Log): Promise<{ events: Events; doors: Doors }> {
  if (events.webhooks.length === 0 && events.audit === undefined && !events.metrics) return { events: noEvents, doors: {} };
  const { openEvents } = await import("#registry/events/open-events.ts");
  const opened = stack.use(
    await openEvents(
      {
        webhooks: events.webhooks.map(readWebhook),
        audit: events.audit,
        metrics: events.metrics ? {} : undefined,
        health: async () => void (await storage.stat("oci-layout")),
      },
      log,
    ),
  );
  return { events: opened, doors: opened.doors };
}
