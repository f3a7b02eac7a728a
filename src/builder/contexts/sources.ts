/**
 * Where files come from that no client sends: git repositories and downloads, as steps of a graph and as contexts.
 *
 *     const sources = await openSources({ contexts, sandboxes, root, proxies });
 *     const performers = { …, ...sources.performers };
 *     const { tree, op } = await sources.openRemote("https://HOST/r.git#main:dir", { client, lease, signal });
 */
import type { OpenRemote } from "../build.ts";
import type { Performers } from "../solve/solve.ts";
import type { Contexts } from "./contexts.ts";
import { openGit } from "./git/git.ts";
import type { SandboxParts } from "../sandbox/sandbox.ts";
import type { Proxies } from "./http/ask.ts";
import { openHttp } from "./http/http.ts";
import { fileOpener, type OpenFile, remoteOpener } from "./open-remote.ts";

export type Sources = Disposable & {
  readonly performers: Pick<Performers, "git" | "gitKey" | "http" | "httpKey">;
  readonly openRemote: OpenRemote;
  /** A download by itself, as a folder of one file. */
  readonly openFile: OpenFile;
};

export type SourcesParts = {
  readonly contexts: Contexts;
  readonly sandboxes: SandboxParts;
  /** A folder of its own in the data root. */
  readonly root: string;
  readonly proxies: () => Proxies;
};

export async function openSources({ contexts, sandboxes, root, proxies }: SourcesParts): Promise<Sources> {
  const git = openGit({ contexts, sandboxes, proxies });
  const http = await openHttp({ contexts, folder: `${root}/http`, proxies });
  return {
    performers: { git: git.tree, gitKey: git.key, http: http.tree, httpKey: http.key },
    openRemote: remoteOpener({ contexts, git, http }),
    openFile: fileOpener({ http }),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}
