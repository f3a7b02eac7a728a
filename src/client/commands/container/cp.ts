import { posix } from "node:path";
import { Readable } from "node:stream";
import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import type { Answer, Api } from "../../connect/connect.ts";
import { baseOf, localDestination, localSource, packTree, parsePlace, placeArchive, splitEntry, unpackTree, validateOutputPath, type Destination, type Place, type Source } from "../../copy/copy.ts";
import { keepEnd } from "../../copy/placement.ts";
import { bool } from "../../flags/kinds.ts";
import { humanSize } from "../../format/units.ts";
import { containerPath } from "../each.ts";
import { countOf } from "./cp-progress.ts";

type Wish = { readonly archive: boolean; readonly follow: boolean; readonly quiet: boolean };

export const command = define({
  flags: {
    archive: bool("a", "Give what is copied into a container to its user, when it has one"),
    "follow-link": bool("L", "Follow the source, if it is a symbolic link"),
    quiet: bool("q", "No progress, and no line at the end, as when standard output is no terminal"),
  },
  async run(cli, options, [source = "", destination = ""]) {
    if (source === "") throw fail("invalid", "source can not be empty");
    if (destination === "") throw fail("invalid", "destination can not be empty");
    const [from, to] = [parsePlace(source), parsePlace(destination)];
    const wish = { archive: options.archive, follow: options["follow-link"], quiet: options.given.has("quiet") ? options.quiet : !cli.out.isTerminal };
    if (from.container !== "" && to.container !== "") throw fail("invalid", "copying between containers is not supported");
    if (from.container !== "") return await copyOut(cli, from, to.path, wish);
    if (to.container !== "") return await copyIn(cli, from.path, to, wish);
    throw fail("invalid", "must specify at least one container source");
  },
});

async function copyOut(cli: Cli, { container, path }: Place, local: string, { follow, quiet }: Wish): Promise<void> {
  if (local !== "-") validateOutputPath(local);
  else if (cli.out.isTerminal) throw fail("invalid", "cowardly refusing to write an archive to a terminal. Use a file or redirect");
  const api = await cli.api();
  const followed = follow ? await followLink(api, container, path) : { path };
  const answer = await api.send("GET", containerPath(container, "/archive"), { query: { path: followed.path } });
  if (local === "-") {
    for await (const chunk of answer.body) cli.out.write(chunk);
    return;
  }
  const source: Source = { ...followed, directory: readStat(answer)?.directory === true };
  const count = countOf(cli, "Copying from container - ", quiet);
  const { skipped } = await unpackTree(count.through(answer.body), placeArchive(source, localDestination(local)));
  for (const name of skipped) cli.err.write(`${name}: a device or FIFO, not copied\n`);
  count.end();
  if (!quiet) cli.err.write(`Successfully copied ${humanSize(count.bytes())} to ${keepEnd(posix.resolve(local), local)}\n`);
}

async function copyIn(cli: Cli, local: string, { container, path }: Place, { archive, follow, quiet }: Wish): Promise<void> {
  const api = await cli.api();
  const destination = await remoteDestination(api, container, path);
  const count = countOf(cli, "Copying to container - ", quiet || local === "-");
  const put = (directory: string, bytes: AsyncIterable<Uint8Array>) =>
    api.send("PUT", containerPath(container, "/archive"), {
      query: { path: directory, noOverwriteDirNonDir: "true", copyUIDGID: archive },
      upload: Readable.from(bytes, { objectMode: false, highWaterMark: 2 ** 21 }),
    });
  if (local === "-") {
    if (!destination.directory) throw fail("invalid", `destination "${container}:${path}" must be a directory`);
    await drain(await put(destination.path, process.stdin));
    return;
  }
  const source = localSource(local, follow);
  const { directory, to } = placeArchive(source, destination);
  await drain(await put(directory, count.through(packTree(source.path, to))));
  count.end();
  if (!quiet) cli.err.write(`Successfully copied ${humanSize(count.bytes())} to ${container}:${destination.path}\n`);
}

type Stat = { readonly directory: boolean; readonly link: boolean; readonly target: string; readonly odd: string | undefined };

const DIRECTORY = 2 ** 31;
const LINK = 2 ** 27;
const DEVICE = 2 ** 26;
const IRREGULAR = 2 ** 25 + 2 ** 24;

/** The header that tells of what is copied. Its mode is Go's. */
function readStat(answer: Answer): Stat | undefined {
  const header = answer.headers["x-docker-container-path-stat"];
  if (header === undefined) return undefined;
  const { mode, linkTarget = "" } = JSON.parse(Buffer.from(header, "base64").toString()) as { mode: number; linkTarget?: string };
  const has = (bits: number) => (BigInt(mode) & BigInt(bits)) !== 0n;
  return { directory: has(DIRECTORY), link: has(LINK), target: linkTarget, odd: has(DEVICE) ? "device" : has(IRREGULAR) ? "irregular file" : undefined };
}

/** undefined when nothing is there, or nothing can be said: the copy itself will tell. */
async function statRemote(api: Api, container: string, path: string): Promise<Stat | undefined> {
  const answer = await api.send("HEAD", containerPath(container, "/archive"), { query: { path } }).catch(() => undefined);
  if (answer === undefined) return undefined;
  await drain(answer);
  return readStat(answer);
}

async function remoteDestination(api: Api, container: string, given: string): Promise<Destination> {
  let path = given;
  let found = await statRemote(api, container, path);
  if (found?.link === true) {
    path = posix.resolve(posix.dirname(path), found.target);
    found = await statRemote(api, container, path);
  }
  if (found?.odd !== undefined) throw fail("invalid", `destination "${container}:${given}" must be a directory or a regular file: got a ${found.odd}`);
  return { path, exists: found !== undefined, directory: found?.directory === true };
}

/** What a link leads to, under the link's name. */
async function followLink(api: Api, container: string, path: string): Promise<{ path: string; rename?: string }> {
  const found = await statRemote(api, container, path);
  if (found?.link !== true) return { path };
  const target = keepEnd(posix.resolve(splitEntry(path).directory, found.target), path);
  return baseOf(target) === baseOf(path) ? { path: target } : { path: target, rename: baseOf(path) };
}

async function drain(answer: Answer): Promise<void> {
  for await (const _ of answer.body);
}
