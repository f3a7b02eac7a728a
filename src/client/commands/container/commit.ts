import { fail, messageOf } from "#base/errors.ts";
import { familiarRepository, parseReference, type Reference } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { bool, list, text } from "../../flags/kinds.ts";

export const command = define({
  flags: {
    author: text("a", 'Who made it ("John Hannibal Smith <hannibal@a-team.com>")'),
    change: list("c", "Apply this Dockerfile instruction to the image"),
    message: text("m", "Say this of the image's making"),
    pause: bool("p", "Freeze the container meanwhile", true),
  },
  async run(cli, options, [container = "", reference = ""]) {
    const target = reference === "" ? undefined : parseTarget(reference);
    const api = await cli.api();
    const { Id } = await api.json<{ Id: string }>("POST", "/commit", {
      query: {
        container,
        repo: target === undefined ? "" : familiarRepository(target),
        tag: target?.tag ?? (target === undefined ? "" : "latest"),
        author: options.author,
        comment: options.message,
        changes: options.change,
        pause: options.pause ? "1" : "0",
      },
    });
    cli.out.write(`${Id}\n`);
  },
});

function parseTarget(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw fail("invalid", messageOf(error), { cause: error });
  }
}
