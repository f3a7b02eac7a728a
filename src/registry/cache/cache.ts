/**
 * Pull-through: repositories that are copies of an upstream's. A cache is a store around a store: what is asked of it and
 * not here (or, for a tag, not fresh) is brought from the upstream first, and kept.
 *
 *     const store = upstreams.around(openStore({ … }));
 */
import type { Store } from "../store/store.ts";

export type Upstreams = AsyncDisposable & {
  /** The store as the API sees it. Repositories without an upstream are passed on unchanged. */
  around(store: Store): Store;
  /** Whether the repository is a copy: nobody pushes to it. */
  isCopy(repository: string): boolean;
};

/** No repository has an upstream. */
export const noUpstreams: Upstreams = { around: (store) => store, isCopy: () => false, [Symbol.asyncDispose]: async () => {} };
