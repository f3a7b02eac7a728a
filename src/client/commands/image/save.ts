import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { list, text } from "../../flags/kinds.ts";
import { encodePlatforms } from "./path.ts";

export const command = define({
  flags: {
    output: text("o", "Write this file instead of standard output"),
    platform: list("", 'Save only this platform\'s part ("linux/arm64")', { kind: "strings" }),
  },
  async run(cli, options, names) {
    if (options.output === "" && cli.out.isTerminal) {
      throw fail("invalid", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    if (options.output !== "") checkOutput(options.output, "failed to save image: ");
    const api = await cli.api();
    const answer = await api.send("GET", "/images/get", { query: { names, platform: encodePlatforms(options.platform) } });
    if (options.output === "") {
      for await (const chunk of answer.body) cli.out.write(chunk);
      return;
    }
    await writeFile(options.output, answer.body);
  },
});

export function checkOutput(path: string, start: string): void {
  const kind = statSync(path, { throwIfNoEntry: false });
  const folder = dirname(path);
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) {
    throw fail("invalid", `${start}invalid output path: stat ${folder}: no such file or directory`);
  }
  if (kind?.isDirectory()) throw fail("invalid", `${start}cannot write to a directory`);
  if (kind?.isBlockDevice() || kind?.isCharacterDevice()) throw fail("invalid", `${start}cannot write to a device`);
}

/** Beside its place first: half an archive must not stand under the name of a whole one. */
export async function writeFile(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  const file = openSync(part, "wx", 0o600);
  try {
    for await (const chunk of body) for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
    closeSync(file);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
