import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { decide, parsePolicy } from "./policy.ts";

const parse = (value: unknown) => parsePolicy(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
const rule = { images: ["docker.io/library/*"], action: "allow" };

/** Pattern, what it fits, what it does not. */
const patterns: [string, string[], string[]][] = [
  ["docker.io/library/busybox", ["docker.io/library/busybox"], ["docker.io/library/busybox2", "docker.io/library/busybox/x", "docker.io/busybox", "xdocker.io/library/busybox"]],
  ["docker.io/library/*", ["docker.io/library/a"], ["docker.io/library/a/b", "docker.io/librarya", "docker.io.evil/library/a"]],
  ["registry.example:5000/team/**", ["registry.example:5000/team/a", "registry.example:5000/team/a/b/c"], ["registry.example:5000/team", "registry.example:5000/teams/a", "registry.example/team/a"]],
  ["*.example/app", ["a.example/app", "a.b.example/app"], ["example/app", "a.example.com/app"]],
  ["*/**/base", ["a.b/x/base", "a.b/x/y/base"], ["a.b/base", "a.b/x/base2"]],
  ["localhost/a*b*c", ["localhost/abc", "localhost/aXbYc", "localhost/abbc"], ["localhost/ac", "localhost/ab", "localhost/abcd", "localhost/a/b/c"]],
  ["a.b/x*x", ["a.b/xx", "a.b/xyx"], ["a.b/x"]],
  ["a.b/x*y*y", ["a.b/xyy", "a.b/xayby"], ["a.b/xy"]],
  ["**", ["docker.io/library/busybox", "a.b/c"], []],
];

test("patterns fit whole components", () => {
  for (const [pattern, fits, not] of patterns) {
    const policy = parse({ default: "deny", rules: [{ images: [pattern], action: "allow" }] });
    for (const name of fits) assert.equal(decide(policy, name).action, "allow", `${pattern} ${name}`);
    for (const name of not) assert.equal(decide(policy, name).action, "deny", `${pattern} ${name}`);
  }
});

test("a pattern of many stars is looked at quickly", () => {
  const policy = parse({ default: "deny", rules: [{ images: [`a.b/${"*a".repeat(40)}`], action: "allow" }] });
  assert.equal(decide(policy, `a.b/${"a".repeat(200)}b`).action, "deny");
});

test("the first rule that fits decides, then the default", () => {
  const policy = parse({
    default: "allow",
    rules: [{ name: "one", images: ["a.b/x/y"], action: "deny" }, { images: ["c.d/*", "a.b/x/*"], action: "verify", signedBy: [{ key: "k" }] }, { name: "three", images: ["a.b/**"], action: "deny" }],
  });
  assert.deepEqual(["a.b/x/y", "a.b/x/z", "a.b/q", "e.f/g"].map((name) => decide(policy, name).name), ["one", "rule 2", "three", "default"]);
});

test("what is not understood is refused as a whole", () => {
  const wrong: [unknown, RegExp][] = [
    ["", /trust policy/],
    ["{", /trust policy/],
    ['{"default":"deny","default":"allow"}', /duplicate/],
    [[], /no object/],
    [{}, /"default" is none of "allow", "deny"/],
    [{ default: "insecureAcceptAnything" }, /"default" is none of/],
    [{ default: "deny", rule: [] }, /has "rule", which means nothing/],
    [{ default: "deny", rules: {} }, /no list/],
    [{ default: "deny", rules: [{ ...rule, images: [] }] }, /names no images/],
    [{ default: "deny", rules: [{ ...rule, images: ["busybox"] }] }, /write "docker.io\/library\/busybox"/],
    [{ default: "deny", rules: [{ ...rule, images: ["library/busybox"] }] }, /does not begin with a registry/],
    [{ default: "deny", rules: [{ ...rule, images: ["docker.io/library/busybox:1.36"] }] }, /no tag and no digest/],
    [{ default: "deny", rules: [{ ...rule, images: ["docker.io/library/Busybox"] }] }, /no repository's/],
    [{ default: "deny", rules: [{ ...rule, images: [5] }] }, /no text/],
    [{ default: "deny", rules: [{ ...rule, action: "Allow" }] }, /"action" of rule 1 is none of/],
    [{ default: "deny", rules: [{ images: rule.images }] }, /"action"/],
    [{ default: "deny", rules: [{ ...rule, signedBy: [{ key: "k" }] }] }, /goes with the action "verify"/],
    [{ default: "deny", rules: [{ ...rule, action: "verify" }] }, /"signedBy" of rule 1 is no list/],
    [{ default: "deny", rules: [{ ...rule, action: "verify", signedBy: [] }] }, /names no signer/],
    [{ default: "deny", rules: [{ ...rule, action: "verify", signedBy: [{}] }] }, /either a "key" or "keyless"/],
    [{ default: "deny", rules: [{ ...rule, action: "verify", signedBy: [{ keyless: { root: "r", issuer: "i" } }] }] }, /"identity"/],
    [{ default: "deny", rules: [{ ...rule, name: "a" }, { ...rule, name: "a" }] }, /two rules are named "a"/],
    [{ default: "deny", rules: [{ ...rule, name: "default" }] }, /named "default"/],
  ];
  for (const [value, message] of wrong) {
    assert.throws(() => parse(value), (error: unknown) => error instanceof Failure && error.kind === "invalid" && message.test(error.message), JSON.stringify(value));
  }
});
