/** What the history keeps of how a build was made, as --metadata-file has it: in buildx's words. */
import { fail, kindOf } from "#base/errors.ts";
import type { Cli } from "../../client.ts";
import { attachmentsOf, isProvenance, readAttachment } from "../history/attachments.ts";
import { listBuilds, withControl } from "../history/builds.ts";

const KEY = "buildx.build.provenance";

/** BUILDX_METADATA_PROVENANCE: "min" (without the steps), "max", or not at all. */
export async function provenanceOf(cli: Cli, ref: string): Promise<Record<string, unknown>> {
  const mode = cli.env["BUILDX_METADATA_PROVENANCE"] || "min";
  if (/^(?:disabled|0|f|false)$/i.test(mode)) return {};
  if (mode !== "min" && mode !== "max") throw fail("invalid", `invalid BUILDX_METADATA_PROVENANCE ${JSON.stringify(mode)}: there are "min", "max" and "disabled"`);
  try {
    return await withControl(cli, async (control) => {
      const build = (await listBuilds(control, ref)).find((one) => one.ref === ref);
      const found = build === undefined ? [] : attachmentsOf(build).filter(isProvenance);
      const read = found.map(async ({ digest, platform }) => [platform === "" ? KEY : `${KEY}/${platform}`, told(JSON.parse((await readAttachment(control, digest)).toString()) as object, mode)] as const);
      return Object.fromEntries(await Promise.all(read));
    });
  } catch (error) {
    // Other engines' history may have none of it.
    if (kindOf(error) === "not-implemented") return {};
    throw error;
  }
}

function told(predicate: object, mode: string): object {
  const { buildConfig: _, metadata: __, ...min } = predicate as { buildConfig?: unknown; metadata?: unknown };
  return mode === "max" ? predicate : min;
}
