import { fail } from "#base/errors.ts";
import { canonical, familiar } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { INSECURE } from "./flags.ts";
import { fetchManifests } from "./remote.ts";
import { openState, readName } from "./state.ts";

export const command = define({
  flags: {
    amend: bool("a", "Add to a list that is there already"),
    insecure: INSECURE,
  },
  async run(cli, options, [target = "", ...names]) {
    const list = readName(target);
    const state = openState(cli);
    if (state.list(list) !== undefined && !options.amend) throw fail("conflict", "refusing to amend an existing manifest list with no --amend flag");
    for (const text of names) {
      const name = readName(text);
      const known = state.get(list, name);
      if (known !== undefined && known.Raw !== undefined) continue;
      const { isList, manifests } = await fetchManifests(cli, name, { alone: true });
      if (isList) throw fail("invalid", `${familiar(name)} is a manifest list`);
      state.put(list, name, manifests[0]!);
    }
    cli.out.write(`Created manifest list ${canonical(list)}\n`);
  },
});
