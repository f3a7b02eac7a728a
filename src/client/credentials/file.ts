/** Credentials that stand in config.json, or came in DOCKER_AUTH_CONFIG. */
import { fail, messageOf } from "#base/errors.ts";
import { type Config, readConfig, writeConfig } from "../connect/config.ts";
import type { Credentials, Store } from "./credentials.ts";
import { hostOf } from "./server.ts";

type Entry = { readonly auth?: string; readonly username?: string; readonly password?: string; readonly identitytoken?: string; readonly registrytoken?: string };
type Entries = Readonly<Record<string, Entry>>;

export function fileStore(config: Config): Store {
  const write = (change: (entries: Entries) => Entries) => {
    // Somebody else may have logged in meanwhile.
    const now = readConfig(config.folder, (text) => {
      throw fail("invalid", text.replace(/^WARNING: /, "").trim());
    });
    const entries = change(entriesOf(now.all["auths"]));
    writeConfig(now, "auths", Object.keys(entries).length === 0 ? undefined : entries);
  };
  return {
    plainFile: `${config.folder}/config.json`,
    get: async (server) => find(entriesOf(config.all["auths"]), server),
    put: async (server, credentials) => write((entries) => ({ ...entries, [server]: encode(credentials) })),
    async erase(server) {
      const own = (key: string) => key === server || hostOf(key) === server;
      if (!Object.keys(entriesOf(config.all["auths"])).some(own)) return;
      write((entries) => Object.fromEntries(Object.entries(entries).filter(([key]) => !own(key))));
    },
  };
}

/** What the environment says comes first; it is only read. */
export function memoryStore(text: string | undefined, below: Store): Store {
  if (text === undefined || text === "") return below;
  let entries: Entries;
  try {
    entries = entriesOf((JSON.parse(text) as { auths?: unknown }).auths);
  } catch (error) {
    throw fail("invalid", `DOCKER_AUTH_CONFIG: it holds no JSON object with "auths": ${messageOf(error).slice(0, 60)}`, { cause: error });
  }
  return { ...below, get: async (server) => find(entries, server) ?? below.get(server) };
}

/** By its key; else by the host of a key that was written in another form. An entry without content is none. */
function find(entries: Entries, server: string): Credentials | undefined {
  const key = Object.hasOwn(entries, server) ? server : Object.keys(entries).find((each) => hostOf(each) === hostOf(server));
  return key === undefined ? undefined : decode(entries[key]!);
}

function decode({ auth = "", username, password, identitytoken, registrytoken }: Entry): Credentials | undefined {
  const text = Buffer.from(auth, "base64").toString();
  const colon = text.indexOf(":");
  const found = {
    username: username ?? (colon < 0 ? "" : text.slice(0, colon)),
    password: password ?? (colon < 0 ? "" : text.slice(colon + 1).replace(/\0+$/, "")),
    ...(identitytoken ? { identitytoken } : {}),
    ...(registrytoken ? { registrytoken } : {}),
  };
  return found.username === "" && !identitytoken && !registrytoken ? undefined : found;
}

function encode({ username, password, identitytoken }: Credentials): Entry {
  return { auth: Buffer.from(`${username}:${password}`).toString("base64"), ...(identitytoken ? { identitytoken } : {}) };
}

function entriesOf(value: unknown): Entries {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => typeof entry === "object" && entry !== null)) as Entries;
}
