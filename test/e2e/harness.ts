/**
 * Stories: what a user does with a client, and what they see. A file has one engine; each story runs once a client, with
 * the official `docker` and with `gantry`, and leaves no container behind. PEER=dockerd points the same stories at the
 * reference; CLIENTS=docker chooses one client.
 *
 *     const { story } = stories("exit codes");
 *     story("the client ends with the code of the process", async ({ cli }) => {
 *       await cli.fails(7, /^$/, "run", "--rm", "busybox", "sh", "-c", "exit 7");
 *     });
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { busyboxArchive, busyboxMissing } from "../fixtures/image.ts";
import { clientsHere, openClient, type Client } from "./harness/client.ts";
import { openEngine, peer, type Engine } from "./harness/engine.ts";
import { holdings, settled, type Holdings } from "./harness/leaks.ts";

export type Scene = {
  readonly cli: Client;
  readonly engine: Engine;
  /** An empty folder of the story's own. */
  readonly folder: string;
  /** Writes a file into it; its path. */
  file(name: string, content: string | Buffer): string;
};

export type StoryOptions = {
  /** Only for our engine, or only for one client. */
  only?: "gantry-engine" | "docker" | "gantry";
  skip?: string | false | undefined;
};

export type Stories = {
  story(name: string, tell: (scene: Scene) => Promise<void>, options?: StoryOptions): void;
  /** The engine of this file, from the first story on. */
  engine(): Engine;
};

export { peer };

/** Registers a file's stories. `flags`: more of the engine's flags. `left`: what is meant to stay, by kind of holding. */
export function stories(title: string, options: { flags?: string[] } = {}): Stories {
  if (clientsHere().length === 0) test(title, { skip: "no client is here: neither docker nor gantry" }, () => {});
  const why = process.getuid?.() !== 0 ? "containers need root" : busyboxMissing;
  const clients = clientsHere();
  let opening: Promise<{ engine: Engine; before: Holdings }> | undefined;
  let current: Engine | undefined;
  // At the first story that is told, so that a file whose stories are all skipped starts nothing.
  const open = (): Promise<{ engine: Engine; before: Holdings }> => {
    opening ??= (async () => {
      current = await openEngine(options.flags);
      await loadBusybox(current, clients[0]);
      return { engine: current, before: await warm(current, clients[0]) };
    })();
    return opening;
  };
  after(async () => {
    const opened = await opening?.catch(() => undefined);
    if (opened !== undefined) {
      await removeImages(opened.engine);
      // Results of builds keep snapshots and blobs.
      await opened.engine.api("POST", "/build/prune?all=1");
    }
    const left = opened !== undefined && peer === "gantry" ? await settled(opened.engine, opened.before) : {};
    await current?.[Symbol.asyncDispose]();
    assert.deepEqual(left, {}, `${title}: the engine left something behind`);
  });
  return {
    engine: () => current as Engine,
    story(name, tell, { only, skip } = {}) {
      for (const client of clients) {
        if (only === "gantry-engine" && peer !== "gantry") continue;
        if ((only === "docker" || only === "gantry") && only !== client) continue;
        test(`${title}: ${name} (${client})`, { skip: (why ?? skip) || false, timeout: 300_000 }, async () => perform((await open()).engine, client, tell));
      }
    },
  };
}

/** Only where there were any: the builder is loaded with the first request about builds. */
async function removeBuilds(engine: Engine): Promise<void> {
  if (existsSync(join(engine.place.dataRoot, "build"))) await engine.api("POST", "/build/prune?all=1");
}

async function perform(engine: Engine, client: Client["name"], tell: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = mkdtempSync("/tmp/story-");
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  try {
    await tell({ cli: openClient(client, engine), engine, folder, file });
  } finally {
    await removeContainers(engine);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Takes away what a story left, so that the next one finds an empty engine. */
export async function removeContainers(engine: Engine): Promise<void> {
  const { body: containers } = await engine.api("GET", "/containers/json?all=1");
  await Promise.all((containers as { Id: string }[]).map(({ Id }) => engine.api("DELETE", `/containers/${Id}?force=1&v=1`)));
  await engine.api("POST", "/networks/prune");
  // Those of cache mounts are only told to who asks for them.
  for (const query of ["", `?filters=${encodeURIComponent('{"label":["com.gantry.build.cache"]}')}`]) {
    const { body } = await engine.api("GET", `/volumes${query}`);
    const volumes = (body as { Volumes?: { Name: string }[] | null }).Volumes ?? [];
    await Promise.all(volumes.map(({ Name }) => engine.api("DELETE", `/volumes/${Name}?force=1`)));
  }
}

/** Takes away the images that stories brought: what they held has to go, too. */
async function removeImages(engine: Engine): Promise<void> {
  const { body } = await engine.api("GET", "/images/json");
  const names = (body as { Id: string; RepoTags: string[] | null }[]).flatMap(({ Id, RepoTags }) => (RepoTags !== null && RepoTags.length > 0 ? RepoTags : [Id]));
  for (const name of names) if (!/^(busybox|hello):latest$/.test(name)) await engine.api("DELETE", `/images/${name}?force=1`);
}

async function loadBusybox(engine: Engine, client: Client["name"] | undefined): Promise<void> {
  if (client === undefined) throw new Error("no client: neither docker nor gantry is here");
  const archive = join(engine.place.folder, "busybox.tar");
  writeFileSync(archive, busyboxArchive());
  await openClient(client, engine).ok("load", "-q", "-i", archive);
}

/** One container made and gone: what the engine makes once and keeps (bridge, tables, folders) is there before it is counted. */
async function warm(engine: Engine, client: Client["name"] | undefined): Promise<Holdings> {
  await openClient(client as Client["name"], engine).ok("run", "--rm", "-v", "/warm", "busybox", "true");
  return holdings(engine);
}
