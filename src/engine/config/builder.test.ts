import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBuilder } from "./builder.ts";

const cases: [object, object | RegExp][] = [
  [{}, { networkHost: true, securityInsecure: false }],
  [{ entitlements: {} }, { networkHost: true, securityInsecure: false }],
  [{ entitlements: { "network-host": false, "security-insecure": true } }, { networkHost: false, securityInsecure: true }],
  [{ entitlements: { "security-insecure": "yes" } }, /security-insecure: true or false is expected/],
  [{ entitlements: { device: true } }, /device: Gantry does not know this entitlement/],
  [{ entitlements: [] }, /an object is expected/],
  [{ frontends: {} }, /builder.frontends: Gantry does not act on this setting yet/],
  [{ gc: [] }, /builder.gc: an object is expected/],
  [{ gc: { enabled: "yes" } }, /builder.gc.enabled: true or false/],
  [{ gc: { policy: [{ keepStorage: "much" }] } }, /gc.policy\[0\].reserved: invalid size: 'much'/],
  [{ gc: { policy: [{ filter: ["color=red"] }] } }, /unknown filter "color"/],
  [{ gc: { policy: [{ filter: ["unused-for=soon"] }] } }, /invalid duration "soon"/],
  [{ history: { maxEntries: "all" } }, /maxEntries: a number is expected/],
];

test("builder.gc as dockerd's documentation has it", () => {
  const { gc } = parseBuilder({ gc: { enabled: true, defaultKeepStorage: "20GB", policy: [{ keepStorage: "10GB", filter: ["unused-for=2200h"] }, { keepStorage: "50%", filter: { type: { "exec.cachemount": true } } }, { all: true, MaxUsedSpace: "1kb" }] } });
  assert.equal(gc.enabled, true);
  assert.deepEqual(gc.bounds, { reserved: { kind: "bytes", value: 20 * 2 ** 30 } });
  assert.deepEqual(gc.rules, [
    { all: false, filters: new Map(), keepDuration: 2200n * 3_600_000_000_000n, reserved: { kind: "bytes", value: 10 * 2 ** 30 } },
    { all: false, filters: new Map([["type", ["exec.cachemount"]]]), keepDuration: 0n, reserved: { kind: "percent", value: 50 } },
    { all: true, filters: new Map(), keepDuration: 0n, maxUsed: { kind: "bytes", value: 1024 } },
  ]);
  assert.deepEqual(parseBuilder({ history: { maxEntries: 5, maxAge: "48h" } }).history, { maxEntries: 5, maxAge: 48n * 3_600_000_000_000n });
});

for (const [given, expected] of cases) {
  test(`builder: ${JSON.stringify(given)}`, () => {
    if (expected instanceof RegExp) assert.throws(() => parseBuilder(given as Record<string, unknown>), expected);
    else assert.deepEqual(parseBuilder(given as Record<string, unknown>).entitlements, expected);
  });
}
