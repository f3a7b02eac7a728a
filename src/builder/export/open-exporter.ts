/** All exports of a build, one after another; each says what it made. */
import { fail } from "#base/errors.ts";
import type { Exporter, ExporterParts } from "./export.ts";

export function openExporter(_parts: ExporterParts): Exporter {
  return async ({ request }) => {
    throw fail("not-implemented", `export ${request.ref}: not yet`);
  };
}
