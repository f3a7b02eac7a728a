/** What a registry is made of, as its configuration says: storage, accounts, listeners, upstreams. What is not used is not loaded. */
import { join } from "node:path";
import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import { openAccess, type Access } from "#registry/access/access.ts";
import type { AccountsSettings } from "#registry/access/accounts.ts";
import type { KeyHome } from "#registry/access/token-key.ts";
import { noUpstreams, type Upstreams } from "#registry/cache/cache.ts";
import type { RegistryConfig } from "#registry/config/config.ts";
import { readIssuer, readWebhook } from "#registry/config/listeners.ts";
import { noEvents, type Events, type Refusal } from "#registry/events/events.ts";
import { healthDoor } from "#registry/events/health.ts";
import type { Storage } from "#registry/storage/storage.ts";

type Doors = Readonly<Record<string, (call: Call) => Promise<void>>>;

export type RegistryParts = AsyncDisposable & { readonly storage: Storage; readonly access: Access; readonly events: Events; readonly upstreams: Upstreams; readonly doors: Doors };

export async function openParts(config: RegistryConfig, log: Log): Promise<RegistryParts> {
  await using stack = new AsyncDisposableStack();
  const storage = stack.use(await openStorage(config.root));
  let refused: ((refusal: Refusal) => void) | undefined;
  const { access, doors: accountDoors } = await openAccounts(config, stack, { storage, log, refused: (refusal) => refused?.(refusal) });
  const { events, doors: eventDoors, refused: listening } = await openListeners(config, stack, { access, log });
  refused = listening;
  const upstreams = stack.use(config.upstreams.length === 0 ? noUpstreams : await (await import("./registry-upstreams.ts")).openRegistryUpstreams(config.upstreams, log));
  const parts = stack.move();
  return { storage, access, events, upstreams, doors: { "/healthz": healthDoor(async () => void (await storage.stat("secret"))), ...accountDoors, ...eventDoors }, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export async function openStorage(root: string): Promise<Storage> {
  if (!root.startsWith("s3://")) return await (await import("#registry/storage/folder.ts")).openFolderStorage(root);
  const { openS3Storage, parseS3Address } = await import("#registry/storage/s3.ts");
  return await openS3Storage(await parseS3Address(root));
}

type AccountParts = { readonly storage: Storage; readonly log: Log; readonly refused: (refusal: Refusal) => void };

async function openAccounts({ accounts, root }: RegistryConfig, stack: AsyncDisposableStack, { storage, log, refused }: AccountParts): Promise<{ access: Access; doors: Doors }> {
  const { htpasswd, policy, anonymousPull, tokens, tokenKey, tokenUrl, issuers } = accounts;
  if (htpasswd === undefined && policy === undefined && issuers.length === 0) return { access: openAccess, doors: {} };
  // In a bucket it is where all instances find it.
  const inBucket: KeyHome = { name: `${root}: token.key`, read: () => storage.read("token.key"), create: (bytes) => storage.put("token.key", bytes, { ifAbsent: true }) };
  const key = tokenKey ?? (root.startsWith("s3://") ? inBucket : join(root, "token.key"));
  const settings: AccountsSettings = {
    htpasswd,
    policy,
    anonymousPull,
    issuers: issuers.map(readIssuer),
    // undefined: the policy decides whether tokens are needed.
    tokens: { key, serve: tokens || undefined, url: tokenUrl },
    refused,
  };
  const { openAccounts: open } = await import("#registry/access/accounts.ts");
  return stack.use(await open(settings, log));
}

type Listening = { readonly events: Events; readonly doors: Doors; readonly refused?: (refusal: Refusal) => void };

async function openListeners({ events }: RegistryConfig, stack: AsyncDisposableStack, { access, log }: { access: Access; log: Log }): Promise<Listening> {
  if (events.webhooks.length === 0 && events.audit === undefined && !events.metrics) return { events: noEvents, doors: {} };
  const { openEvents } = await import("#registry/events/open-events.ts");
  const opened = stack.use(
    await openEvents(
      {
        webhooks: events.webhooks.map(readWebhook),
        audit: events.audit,
        // Whoever may see the catalog, from elsewhere than this machine.
        metrics: events.metrics ? { authorize: access.open ? undefined : (call) => access.authorize(call, { action: "catalog" }) } : undefined,
      },
      log,
    ),
  );
  return { events: opened, doors: opened.doors, refused: (refusal) => opened.refused(refusal) };
}
