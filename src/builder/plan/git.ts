/** A git repository as a step. */
import { fail } from "#base/errors.ts";
import type { GitOp } from "../graph.ts";
import { parseGitSource } from "../git-source.ts";

/** `keepGitDir`, `checksum`: of flags; what the URL says must not be something else. Undefined: no repository's name. @throws invalid */
export function gitStep(text: string, flags: { readonly keepGitDir?: boolean | undefined; readonly checksum?: string | undefined }): GitOp | undefined {
  const source = parseGitSource(text);
  if (source === undefined) return undefined;
  const { url, ref, subdir } = source;
  if (flags.keepGitDir !== undefined && source.keepGitDir !== undefined && flags.keepGitDir !== source.keepGitDir) throw fail("invalid", "inconsistent keep-git-dir configuration");
  if (flags.checksum !== undefined && source.checksum !== undefined && flags.checksum !== source.checksum) {
    throw fail("invalid", `checksum mismatch ${JSON.stringify(flags.checksum)} != ${JSON.stringify(source.checksum)}`);
  }
  const checksum = flags.checksum ?? source.checksum;
  return {
    kind: "git",
    url,
    ref,
    subdir,
    keepGitDir: source.keepGitDir ?? flags.keepGitDir ?? false,
    ...(source.submodules === false && { submodules: false }),
    ...(checksum !== undefined && { checksum }),
  };
}
