import assert from "node:assert/strict";
import { test } from "node:test";
import { openLeases } from "#core/leases/leases.ts";
import type { BuildClient } from "../builder.ts";
import type { LayerTree } from "../tree.ts";
import { NO_RUN } from "./world-fixture.ts";
import { openWorks, type Waiter } from "./works.ts";

const TREE: LayerTree = { kind: "layers", snapshot: undefined, layers: [] };

test("a question whose client goes away before it answers is asked of the next one", async () => {
  const works = openWorks(openLeases());
  const [leaving, staying] = [new AbortController(), new AbortController()];
  const asked = Promise.withResolvers<void>();
  const waiter = ({ signal }: AbortController, secret: BuildClient["secret"]): Waiter =>
    ({ client: { secret } as BuildClient, run: NO_RUN, entitlements: [], signal, log: () => undefined, progress: () => undefined, keep: () => undefined });
  const silent = (): Promise<never> => new Promise((_, reject) => {
    asked.resolve();
    leaving.signal.addEventListener("abort", () => reject(new Error("the session is closed")));
  });
  let answer = "";
  const task = {
    perform: async ({ client, signal }: { client: BuildClient; signal: AbortSignal }) => {
      answer = String(await client.secret("id", signal));
      return { tree: TREE, created: 1n };
    },
  };
  const first = works.join("key", waiter(leaving, silent), task);
  const second = works.join("key", waiter(staying, async () => Buffer.from("from the second")), task);
  await asked.promise;
  leaving.abort(new Error("left"));
  await assert.rejects(first, /left/);
  await second;
  assert.equal(answer, "from the second");
});

test("what was begun with one client's blobs goes on with another's when they fail, and other work is not done twice", async () => {
  const works = openWorks(openLeases());
  const waiter = (signal: AbortSignal): Waiter => ({ client: {} as BuildClient, run: NO_RUN, entitlements: [], signal, log: () => undefined, progress: () => undefined, keep: () => undefined });
  const { signal } = new AbortController();
  for (const lent of [true, false]) {
    const closed = Promise.withResolvers<never>();
    const performed: string[] = [];
    const task = (name: string, result: Promise<{ tree: LayerTree; created: bigint }>) => ({ lent, perform: () => (performed.push(name), result) });
    const builds = [
      works.join("key", waiter(signal), task("first", closed.promise)),
      works.join("key", waiter(signal), task("second", Promise.resolve({ tree: TREE, created: 2n }))),
    ];
    closed.reject(new Error("the session is closed"));
    const ends = await Promise.allSettled(builds);
    assert.deepEqual(performed, lent ? ["first", "second"] : ["first"]);
    assert.deepEqual(ends.map(({ status }) => status), lent ? ["fulfilled", "fulfilled"] : ["rejected", "rejected"]);
  }
});
