import { openDrafts } from "./drafts.ts";
import type { Files, FilesParts } from "./files.ts";
import { performFile } from "./file.ts";
import { openMadeBefore } from "./made-before.ts";
import { mergeLayers } from "./merge.ts";
import { openSelections } from "./selection.ts";

export function openFiles(parts: FilesParts): Files {
  const drafts = openDrafts(parts);
  const before = openMadeBefore(parts.core.snapshots);
  return {
    drafts,
    file: (op, inputs, context) => performFile({ ...parts, drafts, before }, op, inputs, context),
    merge: (base, upper, context) => mergeLayers(parts, base, upper, context),
    selection: openSelections(parts),
  };
}
