/** Step 5: nothing is left that nothing leads to. What an operation has just let go of, its own collection takes. */
import { setImmediate as turn } from "node:timers/promises";
import { type Checking, type Findings, problem } from "./open-check.ts";

export async function* checkGarbage(checking: Checking): Findings {
  const { collector, counts, options } = checking;
  // What the steps before took away leaves some, which is no problem of the store's.
  if (counts.repaired > 0) await collector.collect();
  let stray = collector.garbage();
  for (let look = 0; look < LOOKS && stray.length > 0; look++) {
    await settle(checking);
    const now = new Set(collector.garbage());
    stray = stray.filter((node) => now.has(node));
  }
  if (options.repair && stray.length > 0) await collector.collect();
  for (const node of stray) yield await problem(checking, "garbage", node, "nothing leads to it", async () => ({ repaired: "removed" }));
}

/** What is stray is so at every look; what comes and goes is not. */
const LOOKS = 10;

/**
 * Whoever lets go of something hears of it when that is durable, and collects in the same turn: once another write is
 * durable and the collection after it has ended, what is left is nobody's.
 */
async function settle({ db, collector }: Checking): Promise<void> {
  await db.write(() => undefined);
  await turn();
  await collector.idle();
}
