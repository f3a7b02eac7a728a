/** The steps of a check, one after another. See check.ts. */
import type { Database } from "#base/sqlite.ts";
import type { Kernel } from "#linux/linux.ts";
import type { ContentStore } from "../content/store.ts";
import type { Collector } from "../gc/gc.ts";
import type { Images } from "../images/images.ts";
import type { Leases, Node } from "../leases/leases.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import { checkBlobs } from "./blobs.ts";
import type { CheckOptions, Counts, Finding, Problem, Step } from "./check.ts";
import { checkDatabase } from "./database.ts";
import { checkGarbage } from "./garbage.ts";
import { checkImages } from "./images.ts";
import { checkSnapshots } from "./snapshots.ts";

export type CheckParts = {
  readonly db: Database;
  readonly kernel: Kernel;
  readonly root: string;
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly images: Images;
  readonly leases: Leases;
  readonly collector: Collector;
};

/** One check under way: what its steps need, and how they tell what they find. */
export type Checking = CheckParts & {
  readonly options: CheckOptions;
  /** What was looked at so far; the steps count in it. */
  readonly counts: { -readonly [K in keyof Counts]: Counts[K] };
  /** True while an operation of somebody else's holds it: what is odd about it may be right in a moment. */
  held(node: Node): boolean;
};

export type Findings = AsyncGenerator<Finding, void, void>;

type StepLine = readonly [Step, (checking: Checking) => Findings];

const STEPS: readonly StepLine[] = [
  ["database", checkDatabase],
  ["blobs", checkBlobs],
  ["snapshots", checkSnapshots],
  ["images", checkImages],
  ["garbage", checkGarbage],
];

export function openCheck(parts: CheckParts): (options: CheckOptions) => AsyncIterable<Finding> {
  return async function* (options) {
    const counts = { blobs: 0, bytes: 0, snapshots: 0, images: 0, problems: 0, repaired: 0 };
    const checking: Checking = { ...parts, options, counts, held: (node) => parts.leases.held().has(node) };
    for (const [step, check] of STEPS) {
      options.signal.throwIfAborted();
      yield { kind: "step", step, current: 0, total: 0 };
      for await (const finding of check(checking)) {
        if (finding.kind === "problem") count(counts, finding.problem);
        yield finding;
      }
    }
    yield { kind: "end", counts };
  };
}

function count(counts: { problems: number; repaired: number }, { repaired }: Problem): void {
  counts.problems++;
  if (repaired !== undefined) counts.repaired++;
}

export type Repair = { readonly repaired: string } | { readonly left: string };

/** A problem; when repairs are wanted and there is one, it is repaired first. */
export async function problem(checking: Checking, step: Step, subject: string, text: string, repair?: () => Promise<Repair>): Promise<Finding> {
  const done = checking.options.repair ? ((await repair?.()) ?? { left: "there is no repair for it" }) : {};
  return { kind: "problem", problem: { step, subject, text, ...done } };
}

/** For what somebody works with just now. */
export const BUSY: Repair = { left: "something that is under way uses it; check again when that has ended" };
