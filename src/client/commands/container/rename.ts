import { fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [from = "", to = ""]) {
    if (from.trim() === "" || to.trim() === "") throw fail("invalid", "Error: Neither old nor new names may be empty");
    const api = await cli.api();
    try {
      await api.text("POST", containerPath(from, "/rename"), { query: { name: to.trim() } });
    } catch (error) {
      cli.err.write(`${messageOf(error)}\n`);
      throw fail("invalid", `Error: failed to rename container named ${from.trim()}`, { cause: error });
    }
  },
});
