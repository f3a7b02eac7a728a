/**
 * An image of this engine goes to another one: over whatever connection both have (ssh, above all), and only what the
 * other does not have. Between engines of which one is no Gantry it is `save | load`.
 */
import { Readable } from "node:stream";
import { kindOf } from "#base/errors.ts";
import type { Cli } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { resolveEndpoint } from "../../connect/endpoint.ts";
import { openApi } from "../../connect/open.ts";
import { type ProgressMode, showProgress } from "../../format/progress.ts";
import { humanSize } from "../../format/units.ts";
import { VERSION } from "../../version.ts";
import { encodePlatforms } from "./path.ts";

type Blob = { readonly Digest: string; readonly Size: number };

export async function sendToEngine(cli: Cli, name: string, { to, platforms, mode }: { to: string; platforms: readonly string[]; mode: ProgressMode }): Promise<void> {
  const here = await cli.api();
  const there = await openOther(cli, to);
  try {
    const archive = await archiveFor(cli, here, there, { name, platforms: encodePlatforms(platforms), mode });
    const answer = await there.send("POST", "/images/load", { query: { quiet: "1" }, upload: Readable.from(archive) });
    await showProgress(cli.out, answer.body, { mode });
  } finally {
    there.close();
  }
}

function openOther(cli: Cli, to: string): Promise<Api> {
  const isAddress = to.includes("://");
  const globals = { ...cli.globals, host: isAddress ? [to] : [], context: isAddress ? "" : to };
  return openApi(resolveEndpoint(globals, cli.env, cli.config), { userAgent: `Gantry-Client/${VERSION} (${process.platform})`, headers: cli.config().headers });
}

type Wish = { readonly name: string; readonly platforms: readonly string[]; readonly mode: ProgressMode };

async function archiveFor(cli: Cli, here: Api, there: Api, wish: Wish): Promise<AsyncIterable<Buffer>> {
  const { name, platforms, mode } = wish;
  const known = await compare(here, there, wish);
  if (known === undefined) return (await here.send("GET", "/images/get", { query: { names: [name], platform: platforms } })).body;
  const { blobs, missing } = known;
  const sent = blobs.filter(({ Digest }) => missing.has(Digest));
  if (mode !== "json") cli.out.write(`Sending ${sent.length} of ${blobs.length} blobs, ${humanSize(sum(sent))} of ${humanSize(sum(blobs))}, to ${there.address}\n`);
  const without = blobs.filter(({ Digest }) => !missing.has(Digest)).map(({ Digest }) => Digest);
  return (await here.send("POST", "/gantry/images/save", { json: { names: [name], platforms: platforms.map((each) => JSON.parse(each) as unknown), without } })).body;
}

const sum = (blobs: readonly Blob[]): number => blobs.reduce((total, { Size }) => total + Size, 0);

/** What there is to send, and what of it the other has not; undefined when one of the engines cannot say. */
async function compare(here: Api, there: Api, { name, platforms }: Wish): Promise<{ blobs: Blob[]; missing: Set<string> } | undefined> {
  try {
    const { Blobs } = await here.json<{ Blobs: Blob[] }>("GET", "/gantry/images/blobs", { query: { names: [name], platform: platforms } });
    const { Missing } = await there.json<{ Missing: string[] }>("POST", "/gantry/images/missing", { json: { digests: Blobs.map(({ Digest }) => Digest) } });
    return { blobs: Blobs, missing: new Set(Missing) };
  } catch (error) {
    // "page not found" of an engine that is no Gantry; an image that is not here is told by what comes next.
    if (kindOf(error) === "not-found") return undefined;
    throw error;
  }
}
