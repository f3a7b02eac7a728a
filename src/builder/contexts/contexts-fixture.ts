/** For tests: contexts, and sources, over folders of their own. */
import { mkdir } from "node:fs/promises";
import type { TestContext } from "node:test";
import { cleanup, testFolder, testKernel } from "#core/core-fixture.ts";
import { openLeases } from "#core/leases/leases.ts";
import { openTasks } from "#core/tasks/tasks.ts";
import type { Kernel } from "#linux/linux.ts";
import { readHostFacts } from "#runtime/facts.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import { type Contexts, type ContextsParts, openContexts } from "./contexts.ts";
import type { SourceContext } from "./source-context.ts";
import { sandboxFolder, type SandboxParts } from "../sandbox/sandbox.ts";
import { openSources, type Sources } from "./sources.ts";

export const never = new AbortController().signal;

export type World = { readonly kernel: Kernel; readonly folder: string; readonly contexts: Contexts };

export async function testContexts(t: TestContext, more: Partial<ContextsParts> = {}): Promise<World> {
  const folder = await testFolder(t);
  const kernel = await testKernel(t);
  const contexts = cleanup(t).use(await openContexts({ root: `${folder}/contexts`, kernel, ...more }));
  return { kernel, folder, contexts };
}

/** Needs root: git runs in a task. */
export async function testSources(t: TestContext, proxies = { http: "", https: "", no: "" }): Promise<World & { readonly sources: Sources; readonly sandboxes: SandboxParts }> {
  const world = await testContexts(t);
  const execRoot = `${await testFolder(t)}/exec`;
  await mkdir(execRoot);
  const tasks = await openTasks({ kernel: world.kernel, execRoot, host: await readHostFacts() });
  const sandboxes = { tasks, kernel: world.kernel, folder: await sandboxFolder(world.kernel, world.folder) };
  const sources = cleanup(t).use(await openSources({ contexts: world.contexts, sandboxes, root: `${world.folder}/sources`, proxies: () => proxies }));
  return { ...world, sources, sandboxes };
}

/** A build's, with secrets by their ids; what git says is gathered. */
export function sourceContext(secrets: Readonly<Record<string, string>> = {}, ssh?: SourceContext["client"]["ssh"]): SourceContext & { readonly said: string[] } {
  const said: string[] = [];
  const none = async () => {
    throw new Error("not asked for in this test");
  };
  return {
    lease: openLeases().open(),
    client: {
      secret: async (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
      ssh: ssh ?? (async () => undefined),
      files: none, credentials: async () => undefined, receive: none,
    },
    signal: never,
    log: (_, data) => void said.push(Buffer.from(data).toString()),
    progress: () => undefined,
    said,
  };
}

export const pathsOf = ({ entries }: FileTree): string[] => entries.map(({ path }) => path);

export async function textOf({ pool }: Contexts, tree: FileTree, path: string): Promise<string> {
  return (await pool.read(tree.entries.find((entry) => entry.path === path) as FileEntry, 2 ** 20)).toString();
}
