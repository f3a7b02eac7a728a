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
  [{ history: {} }, /builder.history: Gantry does not act on this setting yet/],
];

for (const [given, expected] of cases) {
  test(`builder: ${JSON.stringify(given)}`, () => {
    if (expected instanceof RegExp) assert.throws(() => parseBuilder(given as Record<string, unknown>), expected);
    else assert.deepEqual(parseBuilder(given as Record<string, unknown>).entitlements, expected);
  });
}
