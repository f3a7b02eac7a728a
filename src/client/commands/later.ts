/** What docker has and this Gantry does not have yet: the commands exist, and say so. */
import { fail } from "#base/errors.ts";
import { define, type Entry } from "../client.ts";

/** What buildx has for several builders, or for Docker Desktop; one engine is one builder here. */
const BUILDX: Readonly<Record<string, string>> = {
  bake: "docker buildx bake builds on this engine",
  create: "the engine is the builder there is: gantry context create names another engine",
  "dial-stdio": "gantry system dial-stdio joins the standard streams to the engine",
  imagetools: "gantry manifest inspect shows what a registry has, gantry image copy and gantry manifest push put it there",
  install: "gantry build is what it would make docker build into",
  rm: "the engine is the builder there is: gantry builder prune removes what it keeps",
  stop: "the engine is the builder there is: gantry daemon stop ends it",
  uninstall: "gantry build is what it is",
  use: "the engine is the builder there is: gantry context use chooses another engine",
  "history export": "gantry build history inspect attachment and gantry build logs write what there is",
  "history import": "it is for Docker Desktop: gantry build history ls lists the builds of this engine",
  "history open": "it is for Docker Desktop: gantry build history inspect shows the build",
  "history trace": "no traces are kept: gantry build history inspect says why each step was made",
};

const NAMES: Readonly<Record<string, string>> = {
  "": "checkpoint compose config node plugin secret service stack swarm",
  context: "export import update",
};

export const laterBehindBuilder: readonly Entry[] = Object.entries(BUILDX).map(([name, instead]) => ({ ...refuse("builder", name), load: async () => ({ command: refusal(instead) }) }));

export const later: readonly { readonly group: string; readonly entry: Entry }[] = Object.entries(NAMES).flatMap(
  ([group, names]) => names.split(" ").map((name) => ({ group, entry: refuse(group, name) })),
);

function refuse(group: string, name: string): Entry {
  return {
    name,
    usage: "[ARG...]",
    short: "Not in this Gantry yet",
    arity: { min: 0, max: Number.POSITIVE_INFINITY },
    hidden: true,
    load: async () => ({ command }),
  };
}

const refusal = (instead?: string) =>
  define({
    flags: {},
    raw: true,
    async run(cli) {
      throw fail("not-implemented", instead === undefined ? `${cli.path}: this Gantry does not have it yet` : `${cli.path}: Gantry's client does not have it: ${instead}`);
    },
  });

const command = refusal();
