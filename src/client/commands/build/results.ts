/** What is left to do when the build is done: names pushed, files written, warnings told, questions answered. */
import type { SolveResponse } from "../../build/build.ts";
import { type Descriptor, nameInLayout } from "../../build/layout.ts";
import type { ProgressMode } from "../../build/progress/display.ts";
import type { Warning } from "../../build/progress/trace.ts";
import type { Wish } from "../../build/wish/wish.ts";
import type { Cli } from "../../client.ts";
import { explainBuild } from "./explain.ts";
import type { BuildOptions } from "./flags.ts";
import { answerQuestion } from "./questions.ts";
import { writeResult } from "./result-files.ts";
import { tellWarnings } from "./warnings.ts";

export type Built = { readonly wish: Wish; readonly response: SolveResponse; readonly mode: ProgressMode; readonly warnings: readonly Warning[] };

export async function finish(cli: Cli, options: BuildOptions, built: Built): Promise<number> {
  const { wish, response, mode } = built;
  if (wish.question !== undefined) return answerQuestion(cli, wish, response);
  for (const name of wish.push) await (await import("./push.ts")).pushImage(cli, name, mode);
  nameCaches(wish, response);
  const id = response["containerimage.config.digest"] ?? response["containerimage.digest"] ?? "";
  if (options.iidfile !== "") writeResult("image ID file", options.iidfile, id);
  if (options["metadata-file"] !== "") {
    const provenance = await (await import("./provenance.ts")).provenanceOf(cli, wish.solve.ref);
    writeResult("metadata file", options["metadata-file"], `${JSON.stringify(metadataOf(wish, response, provenance), null, 2)}\n`);
  }
  if (mode === "quiet" && id !== "") cli.out.write(`${id}\n`);
  tellWarnings(cli, built);
  if (options.explain) await explainBuild(cli, wish.solve.ref, mode === "quiet" ? cli.err : cli.out);
  return 0;
}

/** A cache in a folder is found again by its index, which is ours to write. */
function nameCaches({ solve }: Wish, response: SolveResponse): void {
  const manifest = response["cache.manifest"];
  if (manifest === undefined) return;
  for (const { type, attributes } of solve.cacheExports) if (type === "local") nameInLayout(attributes["dest"]!, attributes["tag"] ?? "latest", JSON.parse(manifest) as Descriptor);
}

/** What is JSON, or base64 of JSON, is written as what it is. */
function metadataOf({ solve }: Wish, response: SolveResponse, provenance: Readonly<Record<string, unknown>>): object {
  const entries = Object.entries(response).map(([key, value]) => [key, parsed(key, value)] as const);
  return Object.fromEntries([...entries, ...Object.entries(provenance), ["buildx.build.ref", solve.ref] as const].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function parsed(key: string, value: string): unknown {
  const text = key.endsWith(".descriptor") || key.includes("provenance") ? Buffer.from(value, "base64").toString() : value;
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? found : value;
  } catch {
    return value;
  }
}
