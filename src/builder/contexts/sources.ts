/**
 * Where files come from that no client sends: git repositories and downloads, as steps of a graph and as contexts.
 *
 *     const sources = await openSources({ contexts, tasks, kernel, root, proxies });
 *     const performers = { …, ...sources.performers };
 *     const { tree, op } = await sources.openRemote("https://HOST/r.git#main:dir", { client, lease, signal });
 */
import { mkdir } from "node:fs/promises";
import type { Kernel } from "#linux/linux.ts";
import type { OpenRemote } from "../build.ts";
import type { Performers } from "../solve/solve.ts";
import type { Contexts } from "./contexts.ts";
import { openGit } from "./git/git.ts";
import type { SandboxParts } from "./git/sandbox.ts";
import type { Proxies } from "./http/ask.ts";
import { openHttp } from "./http/http.ts";
import { remoteOpener } from "./open-remote.ts";

export type Sources = Disposable & {
  readonly performers: Pick<Performers, "git" | "gitKey" | "http" | "httpKey">;
  readonly openRemote: OpenRemote;
};

export type SourcesParts = {
  readonly contexts: Contexts;
  readonly tasks: SandboxParts["tasks"];
  readonly kernel: Kernel;
  /** A folder of its own in the data root. */
  readonly root: string;
  readonly proxies: () => Proxies;
};

export async function openSources({ contexts, tasks, kernel, root, proxies }: SourcesParts): Promise<Sources> {
  // What an engine left that was killed.
  await kernel.perform([{ op: "mkdirAll", slot: 1, path: root, mode: 0o711 }, { op: "removeTree", dir: 1, path: "git" }], { long: true });
  await mkdir(`${root}/git`, { recursive: true, mode: 0o711 });
  const git = openGit({ contexts, tasks, kernel, folder: `${root}/git`, proxies });
  const http = await openHttp({ contexts, folder: `${root}/http`, proxies });
  return {
    performers: { git: git.tree, gitKey: git.key, http: http.tree, httpKey: http.key },
    openRemote: remoteOpener({ contexts, git, http }),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}
