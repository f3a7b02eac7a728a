import { define } from "../../client.ts";
import { joined } from "../each.ts";
import { noSuch, openState, readName } from "./state.ts";

export const command = define({
  flags: {},
  async run(cli, _options, names) {
    const state = openState(cli);
    const failures: unknown[] = [];
    for (const text of names) {
      try {
        const name = readName(text);
        if (state.list(name) === undefined) throw noSuch(name);
        state.remove(name);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw joined(failures);
  },
});
