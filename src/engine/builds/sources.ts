/** Where files of a build come from besides its client: repositories and downloads. */
import { fail } from "#base/errors.ts";
import type { OpenRemote } from "#builder/build.ts";
import type { Performers } from "#builder/solve/solve.ts";

export type Sources = Pick<Performers, "git" | "gitKey" | "http" | "httpKey"> & { readonly openRemote: OpenRemote };

export function openSources(): Sources {
  const none = async () => {
    throw fail("not-implemented", "sources other than the client's folders are not there yet");
  };
  return { git: none, gitKey: none, http: none, httpKey: none, openRemote: none };
}
