/** Builds that are contexts of others: images that nobody asked for themselves, and that go with the last build that is made of them. */
import { fail } from "#base/errors.ts";
import type { BuildResult } from "#builder/builder.ts";
import type { Builds } from "../../../builds/builds.ts";
import type { Noted } from "./bridge.ts";
import type { Job } from "./jobs.ts";

export type PassingImages = {
  /** "docker-image://ID": made once, however many ask at a time. */
  use(noted: Noted, asker: Job): Promise<string>;
  wereMade(noted: Noted): boolean;
};

type Passing = { readonly made: Promise<string>; readonly forget: () => Promise<void>; users: number };

export function passingImages(builds: Pick<Builds, "passing">, build: (noted: Noted) => Promise<BuildResult>): PassingImages {
  const here = new Map<Noted, Passing>();
  const ever = new Set<Noted>();

  function begin(noted: Noted): Passing {
    const forget = builds.passing();
    const image = build(noted).then(({ image }) => image ?? Promise.reject(fail("internal", "a build that is a context of another one made no image")));
    const made = image.then((id) => `docker-image://${id}`);
    ever.add(noted);
    return { made, users: 0, forget: async () => await image.then(forget, () => undefined) };
  }

  async function release(noted: Noted, passing: Passing): Promise<void> {
    if (--passing.users > 0) return;
    here.delete(noted);
    await passing.forget();
  }

  return {
    async use(noted, asker) {
      const passing = here.get(noted) ?? begin(noted);
      here.set(noted, passing);
      passing.users++;
      asker.after.defer(() => release(noted, passing));
      return await passing.made;
    },
    wereMade: (noted) => ever.has(noted),
  };
}
