import { createReadStream, fstatSync } from "node:fs";
import type { Readable } from "node:stream";
import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { showProgress } from "../../format/progress.ts";
import { stdinIsTerminal } from "../../terminal/terminal.ts";
import { encodePlatform } from "./path.ts";

export const command = define({
  flags: {
    input: text("i", "Read this file instead of standard input"),
    platform: text("", 'Load only this platform\'s part ("linux/arm64")'),
    quiet: bool("q", "Don't show how it goes"),
  },
  async run(cli, options) {
    if (options.input === "" && stdinIsTerminal()) throw fail("invalid", "requested load from stdin, but stdin is empty");
    const source = options.input === "" ? process.stdin : await openFile(options.input);
    const api = await cli.api();
    const quiet = options.quiet || !cli.out.isTerminal;
    const answer = await api.send("POST", "/images/load", {
      query: { quiet: quiet ? "1" : "0", platform: encodePlatform(options.platform) },
      upload: source,
    });
    if (/json/.test(answer.headers["content-type"] ?? "")) return showProgress(cli.out, answer.body);
    for await (const chunk of answer.body) cli.out.write(chunk);
  },
});

/** Large reads: an archive is many megabytes, and each read costs a turn of the event loop. */
export async function openFile(path: string): Promise<Readable> {
  const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
  await new Promise<void>((resolve, reject) => {
    stream.once("open", (fd) => (fstatSync(fd).isDirectory() ? reject(fail("invalid", `read ${path}: is a directory`)) : resolve()));
    stream.once("error", (error: NodeJS.ErrnoException) => {
      const reason = { ENOENT: "no such file or directory", EACCES: "permission denied" }[error.code ?? ""] ?? error.message;
      reject(fail("invalid", `open ${path}: ${reason}`, { cause: error }));
    });
  });
  return stream;
}
