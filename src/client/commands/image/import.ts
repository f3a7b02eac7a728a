import { fail, messageOf } from "#base/errors.ts";
import { parseReference } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { list, text } from "../../flags/kinds.ts";
import { showProgress } from "../../format/progress.ts";
import { openFile } from "./load.ts";

export const command = define({
  flags: {
    change: list("c", "Apply this Dockerfile instruction to the image"),
    message: text("m", "Say this of the image's making"),
    platform: text("", "What machines it is for"),
  },
  async run(cli, options, [source = "", reference = ""]) {
    const remote = /^(https?):\/\//.test(source);
    if (reference !== "") checkReference(reference);
    const upload = remote ? undefined : source === "-" ? process.stdin : await openFile(source);
    const api = await cli.api();
    const answer = await api.send("POST", "/images/create", {
      query: {
        fromSrc: remote ? source : "-",
        repo: reference,
        message: options.message,
        platform: options.platform.toLowerCase(),
        changes: options.change,
      },
      headers: { "Content-Type": "text/plain" },
      ...(upload === undefined ? {} : { upload }),
    });
    await showProgress(cli.out, answer.body);
  },
});

function checkReference(reference: string): void {
  try {
    parseReference(reference);
  } catch (error) {
    throw fail("invalid", messageOf(error), { cause: error });
  }
}
