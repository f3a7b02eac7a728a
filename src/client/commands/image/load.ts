import { createReadStream, fstatSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, list, text } from "../../flags/kinds.ts";
import { showProgress } from "../../format/progress.ts";
import { stdinIsTerminal } from "../../terminal/terminal.ts";
import { encodePlatforms } from "./path.ts";

export const command = define({
  flags: {
    input: text("i", "Read this file, or this folder with an OCI layout, instead of standard input"),
    platform: list("", 'Load only this platform\'s part ("linux/arm64")', { kind: "strings" }),
    quiet: bool("q", "Don't show how it goes"),
  },
  async run(cli, options) {
    if (options.input === "" && stdinIsTerminal()) throw fail("invalid", "requested load from stdin, but stdin is empty");
    const source = options.input === "" ? process.stdin : await openInput(options.input);
    const api = await cli.api();
    const quiet = options.quiet || !cli.out.isTerminal;
    const answer = await api.send("POST", "/images/load", {
      query: { quiet: quiet ? "1" : "0", platform: encodePlatforms(options.platform) },
      upload: source,
    });
    if (/json/.test(answer.headers["content-type"] ?? "")) return showProgress(cli.out, answer.body);
    for await (const chunk of answer.body) cli.out.write(chunk);
  },
});

async function openInput(path: string): Promise<Readable> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return await openFile(path);
  const { openLayout } = await import("./layout-folder.ts");
  return openLayout(path);
}

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
