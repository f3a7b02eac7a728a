/** What docker has and this Gantry does not have yet: the commands exist, and say so. */
import { fail } from "#base/errors.ts";
import { define, type Entry } from "../client.ts";

const NAMES: Readonly<Record<string, string>> = {
  "": "checkpoint compose config node plugin secret service stack swarm",
  context: "export import update",
};

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

const command = define({
  flags: {},
  raw: true,
  async run(cli) {
    throw fail("not-implemented", `${cli.path}: this Gantry does not have it yet`);
  },
});
