/** The builder, loaded when the first request is about builds: no start has to wait for it. */
import type { Builds } from "#engine/builds/builds.ts";
import type { BuildsParts } from "#engine/builds/open-builds.ts";

export type LaterBuilds = AsyncDisposable & { builds(): Promise<Builds> };

export function openBuildsLater(parts: BuildsParts): LaterBuilds {
  const opened = new AsyncDisposableStack();
  let loading: Promise<Builds> | undefined;
  const load = async (): Promise<Builds> => opened.use(await (await import("#engine/builds/open-builds.ts")).openBuilds(parts));
  return {
    // A try that failed is no reason to fail for ever.
    builds: () => (loading ??= load().catch((error: unknown) => ((loading = undefined), Promise.reject(error)))),
    async [Symbol.asyncDispose]() {
      await loading?.catch(() => undefined);
      await opened.disposeAsync();
    },
  };
}
