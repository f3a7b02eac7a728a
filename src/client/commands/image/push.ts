import { fail } from "#base/errors.ts";
import { canonical, familiarRepository, parseReference, withDefaultTag } from "#spec/reference.ts";
import { define, type Output } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { bool, hidden, text } from "../../flags/kinds.ts";
import { showProgress } from "../../format/progress.ts";
import { encodePlatform, imagePath } from "./path.ts";
import { modeOf, PROGRESS } from "./progress-flags.ts";

export const command = define({
  flags: {
    "all-tags": bool("a", "Push every tag of the repository"),
    "disable-content-trust": hidden(bool("", "Skip image signing", true)),
    format: text("", 'Print as told: "json" for one JSON object an event'),
    platform: text("", 'Push only the image for this platform ("linux/arm64"), without its index'),
    progress: PROGRESS,
    quiet: bool("q", "Print the image's name only"),
  },
  async run(cli, options, [name = ""]) {
    const given = parseReference(name);
    const all = options["all-tags"];
    if (all && (given.tag !== undefined || given.digest !== undefined)) throw fail("invalid", "tag can't be used with --all-tags/-a");
    if (given.digest !== undefined) throw fail("invalid", "cannot push a digest reference");
    const mode = modeOf(options);
    if (!all && given.tag === undefined && !options.quiet && mode !== "json") cli.out.write("Using default tag: latest\n");
    const reference = all ? given : withDefaultTag(given);
    const api = await cli.api();
    const auth = await authHeader(cli, reference.domain);
    const answer = await api.send("POST", imagePath(familiarRepository(reference), "/push"), {
      query: { tag: reference.tag, platform: encodePlatform(options.platform) },
      // Older engines insist on the header, whatever it says.
      headers: { "X-Registry-Auth": auth ?? Buffer.from("{}").toString("base64url") },
    });
    const notes: string[] = [];
    await showProgress(options.quiet ? undefined : cli.out, answer.body, { mode, onAux: (aux) => void notes.push(...notesOf(aux)) });
    if (options.quiet && mode !== "json") cli.out.write(`${canonical(reference)}\n`);
    tellNotes(cli.err, notes);
  },
});

type Aux = { readonly manifestPushedInsteadOfIndex?: boolean; readonly originalIndex?: { digest: string }; readonly selectedManifest?: { digest: string } };

function notesOf(aux: unknown): string[] {
  const { manifestPushedInsteadOfIndex, originalIndex, selectedManifest } = (aux ?? {}) as Aux;
  if (!manifestPushedInsteadOfIndex) return [];
  return [`Not all multiplatform-content is present and only the available single-platform image was pushed\n${originalIndex?.digest} -> ${selectedManifest?.digest}`];
}

function tellNotes(err: Output, notes: readonly string[]): void {
  for (const note of notes) err.write(`\n Info -> ${note.replaceAll("\n", "\n         ")}\n`);
}
