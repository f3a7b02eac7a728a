import { fail, messageOf } from "#base/errors.ts";
import { familiarRepository, parseReference, withDefaultTag } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { imagePath } from "./path.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [source = "", target = ""]) {
    const name = readTarget(target);
    const api = await cli.api();
    await api.text("POST", imagePath(source, "/tag"), { query: { repo: familiarRepository(name), tag: name.tag } });
  },
});

function readTarget(target: string): ReturnType<typeof parseReference> {
  try {
    const name = parseReference(target);
    if (name.digest === undefined) return withDefaultTag(name);
  } catch (error) {
    throw fail("invalid", `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${messageOf(error)}`, { cause: error });
  }
  throw fail("invalid", "refusing to create a tag with a digest reference");
}
