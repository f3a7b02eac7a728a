/** What a body of POST /networks/create means, by version, and what of it is refused, in Docker's words. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Failure, type Kind } from "#base/errors.ts";
import type { Json } from "#base/json.ts";
import { parseNetworkCreate } from "./create-body.ts";

const parse = (body: object, version = 56) => parseNetworkCreate({ Name: "n", ...body } as Json, version);
const ipam = (...Config: object[]) => ({ IPAM: { Config } });

describe("what is meant", () => {
  test("nothing but a name", () =>
    assert.deepEqual(parse({}), {
      Name: "n", Driver: "", EnableIPv4: true, EnableIPv6: false, Internal: false, Attachable: false, Ingress: false, ConfigOnly: false, ConfigFrom: "",
      IPAM: { Driver: "", Config: [] }, Options: {}, Labels: {},
    }));
  test("all of it", () =>
    assert.deepEqual(
      parse({
        Driver: "bridge", EnableIPv6: true, Internal: true, Attachable: true, ConfigFrom: { Network: "other" }, Options: { a: "b" }, Labels: { c: "" }, CheckDuplicate: false, Unknown: [1],
        IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.1.0.0/24", IPRange: "10.1.0.128/25", Gateway: "10.1.0.1", AuxiliaryAddresses: { r: "10.1.0.2" } }, { Subnet: "fd00::/64" }] },
      }),
      {
        Name: "n", Driver: "bridge", EnableIPv4: true, EnableIPv6: true, Internal: true, Attachable: true, Ingress: false, ConfigOnly: false, ConfigFrom: "other",
        IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.1.0.0/24", IPRange: "10.1.0.128/25", Gateway: "10.1.0.1", AuxiliaryAddresses: { r: "10.1.0.2" } }, { Subnet: "fd00::/64" }] },
        Options: { a: "b" }, Labels: { c: "" },
      },
    ));
  test("null where something may be", () => assert.deepEqual(parse({ IPAM: null, Options: null, Labels: null, ConfigFrom: null, EnableIPv6: null }), parse({})));
  test("IPAM with null for its subnets", () => assert.deepEqual(parse({ IPAM: { Driver: "default", Config: null } }).IPAM, { Driver: "default", Config: [] }));
  test("EnableIPv4 is read since 1.48", () => assert.deepEqual([47, 48].map((version) => parse({ EnableIPv4: false }, version).EnableIPv4), [true, false]));
  test("families by options of the driver", () => {
    const options = { "com.docker.network.enable_ipv4": "false", "com.docker.network.enable_ipv6": "1" };
    const { EnableIPv4, EnableIPv6, Options } = parse({ Options: options });
    assert.deepEqual([EnableIPv4, EnableIPv6, Options], [false, true, options]);
    assert.deepEqual(parse({ Options: options, EnableIPv4: true, EnableIPv6: false }).Options, {});
  });
  test("a label is data, whatever its name", () => {
    const labels = JSON.parse('{"__proto__":"p","constructor":"c"}') as object;
    assert.deepEqual(Object.entries(parse({ Labels: labels }).Labels), [["__proto__", "p"], ["constructor", "c"]]);
  });
  test("a subnet of IPv6 is not looked at when there is no IPv6", () => assert.equal(parse(ipam({ Subnet: "fd00::1/64" })).IPAM.Config.length, 1));
});

const CONFIG = "invalid network config:\n";
const REFUSED: readonly (readonly [body: object, text: string | RegExp, kind?: Kind])[] = [
  [{ Driver: "overlay" }, /^This node is not a swarm manager\./, "forbidden"],
  [{ Scope: "swarm" }, "cannot create a swarm scoped network when swarm is not active", "forbidden"],
  [{ Scope: "moon" }, 'invalid scope "moon": it is local or swarm'],
  [{ Ingress: true }, "Ingress network can only be global scope network", "forbidden"],
  [{ ConfigOnly: true, Attachable: true }, /^configuration network can only contain network specific fields\./, "forbidden"],
  [{ ConfigOnly: true, Scope: "local" }, /^configuration network can only contain network specific fields\./, "forbidden"],
  [{ Options: { "com.docker.network.enable_ipv6": "maybe" } }, 'driver-opt "com.docker.network.enable_ipv6" is not a valid bool'],
  [ipam({ Subnet: "10.0.0.0" }), `${CONFIG}invalid subnet 10.0.0.0: invalid CIDR block notation`],
  [ipam({ Gateway: "10.0.0.1" }), `${CONFIG}invalid subnet : invalid CIDR block notation`],
  [ipam({ Subnet: "10.0.0.7/24" }), `${CONFIG}invalid subnet 10.0.0.7/24: it should be 10.0.0.0/24`],
  [ipam({ Subnet: "10.0.0.0/24", IPRange: "10.0.1.0/25" }), `${CONFIG}invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range`],
  [ipam({ Subnet: "10.0.0.0/24", IPRange: "10.0.0.0/16" }), `${CONFIG}invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24`],
  [ipam({ Subnet: "10.0.0.0/24", IPRange: "10.0.0.7/28" }), `${CONFIG}invalid ip-range 10.0.0.7/28: it should be 10.0.0.0/28`],
  [ipam({ Subnet: "10.0.0.0/24", IPRange: "fd00::/64" }), `${CONFIG}invalid ip-range fd00::/64: parent subnet is an IPv4 block`],
  [ipam({ Subnet: "10.0.0.0/24", IPRange: "x" }), `${CONFIG}invalid ip-range x: invalid CIDR block notation`],
  [ipam({ Subnet: "10.0.0.0/24", Gateway: "10.0.1.1" }), `${CONFIG}invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address`],
  [ipam({ Subnet: "10.0.0.0/24", Gateway: "x" }), `${CONFIG}invalid gateway x: invalid address`],
  [{ EnableIPv6: true, ...ipam({ Subnet: "fd00::/64", Gateway: "10.0.0.1" }) }, `${CONFIG}invalid gateway 10.0.0.1: parent subnet is an IPv6 block`],
  [ipam({ Subnet: "10.0.0.0/24", AuxiliaryAddresses: { a: "10.9.0.1" } }), `${CONFIG}invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address`],
  [ipam({ Subnet: "x" }, { Subnet: "10.0.0.0/24", Gateway: "y" }), `${CONFIG}* invalid subnet x: invalid CIDR block notation\n* invalid gateway y: invalid address`],
  [{ Labels: { a: 1 } }, /^invalid JSON: NetworkCreateRequest\.Labels\["a"\]: expected a string/],
  [{ IPAM: [] }, /^invalid JSON: NetworkCreateRequest\.IPAM: expected an object/],
];

describe("what is refused", () => {
  for (const [body, text, kind = "invalid"] of REFUSED) {
    test(JSON.stringify(body), () =>
      assert.throws(() => parse(body), (error) => {
        assert.ok(error instanceof Failure, String(error));
        if (typeof text === "string") assert.equal(error.message, text);
        else assert.match(error.message, text);
        assert.equal(error.kind, kind);
        return true;
      }));
  }
  test("whatever a field holds, the answer is a request or a Failure", () => {
    const fields = Object.keys(parse({})).concat("Scope", "EnableIPv4");
    const values: readonly unknown[] = [null, true, 0, -1, 1.5, "", "x", "\0", [], ["x"], {}, { a: "b" }, { Config: [null] }, { Config: [{ Subnet: "::/0" }] }, { Network: 1 }, { Driver: {} }];
    let taken = 0;
    for (const field of fields) {
      for (const value of values) {
        try {
          parse({ [field]: value }, 50);
          taken++;
        } catch (error) {
          assert.ok(error instanceof Failure, `${field} ${JSON.stringify(value)}: ${(error as Error).stack}`);
        }
      }
    }
    assert.ok(taken > 30, `${taken} taken`);
  });
});
