/** The builder, loaded when the first request is about builds: no start has to wait for it. */
import { loadInTurns } from "#base/turns.ts";
import type { Builds } from "#engine/builds/builds.ts";
import type { BuildsParts } from "#engine/builds/open-builds.ts";

export type LaterBuilds = AsyncDisposable & { builds(): Promise<Builds> };

export function openBuildsLater(parts: BuildsParts): LaterBuilds {
  const opened = new AsyncDisposableStack();
  let loading: Promise<Builds> | undefined;
  const load = async (): Promise<Builds> => {
    await loadInTurns(MODULES);
    return opened.use(await (await import("#engine/builds/open-builds.ts")).openBuilds(parts));
  };
  return {
    // A try that failed is no reason to fail for ever.
    builds: () => (loading ??= load().catch((error: unknown) => ((loading = undefined), Promise.reject(error)))),
    async [Symbol.asyncDispose]() {
      await loading?.catch(() => undefined);
      await opened.disposeAsync();
    },
  };
}

/** What open-builds.ts needs, in its order: some ten files each. */
const MODULES = [
  () => import("#builder/dockerfile/expand.ts"),
  () => import("#builder/dockerfile/lint.ts"),
  () => import("#builder/dockerfile/parse.ts"),
  () => import("#builder/export/documents.ts"),
  () => import("#builder/export/images.ts"),
  () => import("#builder/plan/sources.ts"),
  () => import("#builder/plan/stage.ts"),
  () => import("#builder/plan/plan.ts"),
  () => import("#builder/build.ts"),
  () => import("#builder/cache/cache.ts"),
  () => import("#builder/contexts/pool/pool.ts"),
  () => import("#builder/contexts/contexts.ts"),
  () => import("#builder/contexts/git/git.ts"),
  () => import("#transfer/fetch/fetch.ts"),
  () => import("#transfer/transfer.ts"),
  () => import("#builder/contexts/sources.ts"),
  () => import("#builder/export/export.ts"),
  () => import("#builder/files/fill.ts"),
  () => import("#builder/files/files.ts"),
  () => import("#builder/history/history.ts"),
  () => import("#builder/solve/solve.ts"),
  () => import("#builder/cache/remote/remote.ts"),
  () => import("#engine/builds/run/mounts.ts"),
  () => import("#engine/builds/run/run.ts"),
  () => import("#engine/builds/open-builds.ts"),
];
