/** A bill of materials of a root file system, as SPDX 2.3: the packages that its package managers' records name. */
import { sha256 } from "#base/digest.ts";
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import { tarReader } from "#base/tar.ts";
import { takeTurns } from "#base/turns.ts";
import type { LayerTree } from "../tree.ts";
import { archiveTree } from "./archive-tree.ts";
import type { Predicate } from "./attestations.ts";
import type { Making } from "./images.ts";
import { type Package, packagesOf, type Records, recordsKind } from "./packages.ts";

const TYPE = "https://spdx.dev/Document";
/** Bytes of one record, and of all of them: what is larger is left out. Debian's with 5,000 packages has 6 MB. */
const MAX_RECORD = 16 * 2 ** 20;
const MAX_RECORDS = 128 * 2 ** 20;
const MAX_PACKAGES = 100_000;
/** Of a turn, what brings no package counts as much as many that are one: it may have been many lines. */
const MANY = 64;

export async function sbom(making: Making, options: Readonly<Record<string, string>>, tree: LayerTree): Promise<Predicate> {
  if (options["generator"]) throw fail("invalid", `attest sbom: scanner images (generator=${options["generator"]}) are not run; leave the generator out to have the packages listed by the engine`);
  const packages = await scan(making, tree);
  const identity = sha256(JSON.stringify(packages));
  const { epoch } = making.options;
  return {
    type: TYPE,
    value: {
      spdxVersion: "SPDX-2.3",
      dataLicense: "CC0-1.0",
      SPDXID: "SPDXRef-DOCUMENT",
      name: "sbom",
      documentNamespace: `https://spdx.org/spdxdocs/gantry-${identity.slice(7, 39)}`,
      creationInfo: { created: formatTime(epoch === undefined ? (nowNanos() / 1_000_000_000n) * 1_000_000_000n : BigInt(epoch) * 1_000_000_000n), creators: [`Tool: gantry-${making.version}`] },
      packages: packages.map(spdxPackage),
      relationships: packages.map((_, index) => ({ spdxElementId: "SPDXRef-DOCUMENT", relatedSpdxElement: `SPDXRef-Package-${index}`, relationshipType: "DESCRIBES" })),
    },
  };
}

function spdxPackage({ name, version, url, license, path }: Package, index: number): Record<string, unknown> {
  return {
    SPDXID: `SPDXRef-Package-${index}`,
    name,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    sourceInfo: `acquired package info from /${path}`,
    licenseConcluded: "NOASSERTION",
    licenseDeclared: license ?? "NOASSERTION",
    copyrightText: "NOASSERTION",
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: url }],
  };
}

/** The tree is read once, as an archive; only records are looked into. */
async function scan(making: Making, tree: LayerTree): Promise<Package[]> {
  const reader = tarReader();
  let release = "";
  const records: Records[] = [];
  let open: { path: string; kind: Records["kind"]; parts: Buffer[] } | undefined;
  let total = 0;
  for await (const chunk of archiveTree(making, tree, { layer: false, signal: making.outcome.signal })) {
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        const path = event.entry.name.toString().replace(/^(\.?\/)+/, "");
        const kind = event.entry.type === "file" && event.entry.size > 0 && event.entry.size <= MAX_RECORD ? recordsKind(path) : undefined;
        open = kind === undefined || (total += event.entry.size) > MAX_RECORDS ? undefined : { path, kind, parts: [] };
      } else if (open !== undefined) {
        open.parts.push(Buffer.from(event.bytes));
        if (!event.last) continue;
        const text = Buffer.concat(open.parts).toString();
        if (open.kind === "release") release = text;
        else records.push({ kind: open.kind, path: open.path, text });
        open = undefined;
      }
    }
  }
  reader.end();
  const found = await readRecords(records, release);
  return found.toSorted((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : a.path < b.path ? -1 : 1));
}

async function readRecords(records: readonly Records[], release: string): Promise<Package[]> {
  const turns = takeTurns();
  const found: Package[] = [];
  for (const record of records) {
    await turns(record.text.length);
    for (const one of packagesOf(record, release)) {
      const wait = turns(one === undefined ? MANY : 1);
      if (wait !== undefined) await wait;
      if (one === undefined) continue;
      found.push(one);
      if (found.length > MAX_PACKAGES) throw fail("exhausted", `attest sbom: the image has records of more than ${MAX_PACKAGES} packages`);
    }
  }
  return found;
}
