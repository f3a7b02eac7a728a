import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { type Candidate, planCollection, type Space } from "./gc-plan.ts";
import { OFF, parseGcSettings } from "./settings.ts";

const HOUR = 3_600_000_000_000n;
const now = 1_000_000n * HOUR;
const candidate = (id: string, hoursAgo: number, kept = false): Candidate => ({ id, names: [id], usedAt: now - BigInt(hoursAgo) * HOUR, kept });
const space: Space = { total: 1000, used: 900, images: 500 };
const plan = (settings: object, candidates: Candidate[], given: Space = space, bytes = 50) =>
  planCollection(candidates, given, parseGcSettings({ grace: "1h", ...settings }), now, () => bytes).map(({ id }) => id);

const some = [candidate("new", 2), candidate("old", 100), candidate("pinned", 500, true), candidate("older", 200), candidate("fresh", 0)];

test("without rules nothing goes", () => {
  assert.deepEqual(plan({}, some), []);
  assert.equal(parseGcSettings({}).interval, undefined);
  assert.deepEqual(parseGcSettings({}), OFF);
});

test("by age: what was not used for so long, the longest unused first", () => {
  assert.deepEqual(plan({ age: "100h" }, some), ["older", "old"]);
  assert.deepEqual(plan({ age: "101h" }, some), ["older"]);
  assert.deepEqual(plan({ age: "0s" }, some), ["older", "old", "new"], "not what is within the grace");
});

test("by a watermark: until the disk is at the low one", () => {
  assert.deepEqual(plan({ high: "90%", low: "80%" }, some), [], "90% is not above 90%");
  assert.deepEqual(plan({ high: "89%", low: "85%" }, some), ["older"]);
  assert.deepEqual(plan({ high: "89%", low: "80%" }, some), ["older", "old"]);
  assert.deepEqual(plan({ high: "89%", low: "10%" }, some), ["older", "old", "new"], "pinned and fresh stay, whatever the disk says");
  assert.deepEqual(plan({ high: "89%" }, some), ["older"], "without a low one, to the high one");
});

test("by bytes: what images take, however full the disk is", () => {
  assert.deepEqual(plan({ high: "499B", low: "450B" }, some), ["older"]);
  assert.deepEqual(plan({ high: "500B", low: "1B" }, some), []);
});

test("what goes by age counts for the watermark", () => {
  assert.deepEqual(plan({ age: "200h", high: "89%", low: "85%" }, some), ["older"]);
  assert.deepEqual(plan({ age: "200h", high: "84%", low: "80%" }, some), ["older", "old"]);
});

test("settings: marks, spans, and what is refused", () => {
  const { high, low, age, grace, interval } = parseGcSettings({ high: "1.5GiB", low: "1GB", age: "30d", grace: "1h30m", interval: "10m" });
  assert.deepEqual([high, low], [{ kind: "bytes", value: 1.5 * 2 ** 30 }, { kind: "bytes", value: 1e9 }]);
  assert.deepEqual([age, grace, interval], [720n * HOUR, (HOUR * 3n) / 2n, HOUR / 6n]);
  assert.equal(parseGcSettings({ age: "1d" }).interval, HOUR / 12n, "with a rule, every five minutes");
  const wrong: Record<string, unknown>[] = [
    { high: "101%" }, { high: "85" + "x" }, { low: "5%" }, { high: "50%", low: "60%" }, { high: "50%", low: "5GB" },
    { age: "soon" }, { age: 5 }, { interval: "0s" }, { nosuch: "1" },
  ];
  for (const given of wrong) assert.throws(() => parseGcSettings(given), (error) => error instanceof Failure && error.kind === "invalid" && error.message.startsWith("image-gc: "), JSON.stringify(given));
});
