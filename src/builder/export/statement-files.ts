/** What a build says of itself, as files beside those of its root file system: provenance.json, sbom.spdx.json. Only on request. */
import { createHash } from "node:crypto";
import { tarReader } from "#base/tar.ts";
import type { Outcome } from "../build.ts";
import type { ExportWish } from "../builder.ts";
import type { LayerTree } from "../tree.ts";
import { archiveTree } from "./archive-tree.ts";
import { type Predicate, predicatesOf, statementOf, type Subject } from "./attestations.ts";
import { imageOptions } from "./attributes.ts";
import type { Parts } from "./open-exporter.ts";
import type { AddedFile } from "./remake-archive.ts";

/** `index`: of the image whose tree it is; `suffix`: ".linux_amd64", where files of several share a folder. */
type Where = { readonly index: number; readonly tree: LayerTree; readonly suffix: string };

export async function statementFiles(parts: Parts, outcome: Outcome, wish: ExportWish, { index, tree, suffix }: Where): Promise<AddedFile[]> {
  const options = imageOptions(wish, outcome.plan.images[0]?.sourceDateEpoch);
  const predicates = await predicatesOf({ ...parts, inline: undefined, lease: outcome.lease, outcome, options }, index);
  if (predicates.length === 0) return [];
  const subjects = await digestsOf(parts, tree, outcome.signal);
  const prefix = wish.attributes["attestation-prefix"] ?? "";
  const files = predicates.map((predicate) => ({ name: prefix + fileName(predicate, suffix), data: Buffer.from(JSON.stringify(statementOf(subjects, predicate), undefined, 2)) }));
  return files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** As BuildKit names them. */
const fileName = ({ type }: Predicate, suffix: string): string => (type.startsWith("https://slsa.dev/") ? `provenance${suffix}.json` : `sbom.spdx${suffix}.json`);

/** Every file of a tree. */
async function digestsOf(parts: Parts, tree: LayerTree, signal: AbortSignal): Promise<Subject[]> {
  const reader = tarReader();
  const found: Subject[] = [];
  let open: { readonly name: string; readonly hash: ReturnType<typeof createHash> } | undefined;
  const finish = ({ name, hash }: NonNullable<typeof open>) => void found.push({ name, digest: { sha256: hash.digest("hex") } });
  for await (const chunk of archiveTree(parts, tree, { layer: false, signal })) {
    for (const event of reader.push(chunk)) {
      if (event.kind === "entry") {
        const { type, name, size } = event.entry;
        open = type === "file" ? { name: name.toString().replace(/^(\.?\/)+/, ""), hash: createHash("sha256") } : undefined;
        if (open !== undefined && size === 0) finish(open);
      } else if (open !== undefined) {
        open.hash.update(event.bytes);
        if (event.last) finish(open);
      }
    }
  }
  reader.end();
  return found;
}
