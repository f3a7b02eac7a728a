import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { containerPath } from "../each.ts";

const LETTERS = ["C", "A", "D"];

export const command = define({
  flags: {},
  async run(cli, _, [name = ""]) {
    if (name === "") throw fail("invalid", "Container name cannot be empty");
    const api = await cli.api();
    const changes = await api.json<{ Path: string; Kind: number }[] | null>("GET", containerPath(name, "/changes"));
    cli.out.write((changes ?? []).map(({ Path, Kind }) => `${LETTERS[Kind] ?? "?"} ${Path}\n`).join(""));
  },
});
