/** `gantry registry gc`: one collection, by hand. Servers may run meanwhile. */
import { openLog } from "#base/log.ts";
import { fail } from "#base/errors.ts";
import { collect } from "#registry/collect/collect.ts";
import { loadRegistryConfig } from "#registry/config/config.ts";
import { writeLayout } from "#registry/store/layout-index.ts";
import { openStorage } from "./registry-parts.ts";

export async function collectNow(argv: readonly string[]): Promise<number> {
  const dryRun = argv.includes("--dry-run");
  const config = await loadRegistryConfig(argv.filter((word) => word !== "--dry-run"));
  const log = openLog(config.log);
  await using storage = await openStorage(config.root);
  const report = await collect(storage, config.settings.collect, { dryRun, log, say: (text) => process.stdout.write(`${text}\n`) });
  if (report === undefined) throw fail("conflict", "gc: another collection is running on this store");
  if (!dryRun && report.tags > 0 && config.settings.layoutIndex) await writeLayout(storage);
  const { tags, manifests, links, blobs, bytes, uploads } = report;
  process.stdout.write(`${dryRun ? "Would take away" : "Took away"} ${tags} tags, ${manifests} manifests, ${links} links, ${uploads} uploads and ${blobs} blobs of ${bytes} bytes\n`);
  return 0;
}
