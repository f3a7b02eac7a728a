/** The pure parts: a policy, scopes, the password file, how often somebody may guess. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countFailures } from "./failures.ts";
import { parseHtpasswd } from "./htpasswd.ts";
import { parsePolicy } from "./policy.ts";
import { covers, granted, parseScope } from "./scope.ts";

const policy = parsePolicy(
  JSON.stringify({
    groups: { dev: ["ann"] },
    rules: [
      { repositories: ["open/**"], who: ["anyone"], may: ["read"] },
      { repositories: ["team/*"], who: ["group:dev"], may: ["write"] },
      { repositories: ["home/{user}/**"], who: ["users"], may: ["delete"] },
      { who: ["user:root"], may: ["list"] },
    ],
  }),
  "a test",
);

const table: readonly (readonly [user: string, repository: string, action: "read" | "write" | "delete", allowed: boolean])[] = [
  ["", "open/a/b", "read", true],
  ["", "open/a", "write", false],
  ["", "opens", "read", false],
  ["ann", "open/a", "read", true],
  ["ann", "team/a", "write", true],
  ["ann", "team/a", "read", true],
  ["ann", "team/a", "delete", false],
  ["ann", "team/a/b", "write", false],
  ["bob", "team/a", "read", false],
  ["", "team/a", "read", false],
  ["bob", "home/bob/x", "delete", true],
  ["bob", "home/bob/x", "read", false],
  ["bob", "home/ann/x", "delete", false],
  ["", "home//x", "delete", false],
  ["*", "home/ann/x", "delete", false],
  ["**", "home/ann/x", "delete", false],
  ["ann/x", "home/ann/x/y", "delete", false],
  ["dev", "team/a", "read", false],
  ["root", "team/a", "read", false],
];

for (const [user, repository, action, allowed] of table) {
  test(`policy: ${JSON.stringify(user)} ${allowed ? "may" : "may not"} ${action} ${repository}`, () => assert.equal(policy.allows(user, repository, action), allowed));
}

test("policy: the catalog is for whoever may list", () => assert.deepEqual(["root", "ann", ""].map((user) => policy.lists(user)), [true, false, false]));

const wrong: readonly (readonly [document: unknown, message: RegExp])[] = [
  [[], /an object is expected/],
  [{}, /rules: a list is expected/],
  [{ rules: [], users: [] }, /unknown field "users"/],
  [{ rules: [{ who: ["anyone"], may: ["read"] }, { who: ["everyone"], may: ["read"] }] }, /rule 2: who: "everyone" is none of anyone, users, user:NAME, group:NAME/],
  [{ rules: [{ who: ["anyone"], may: ["pull"] }] }, /rule 1: may: "pull" is none of read, write, delete, list/],
  [{ rules: [{ who: ["group:x"], may: ["read"] }] }, /rule 1: who: there is no "group:x"/],
  [{ rules: [{ repository: "a", who: ["anyone"], may: ["read"] }] }, /rule 1: unknown field "repository"/],
  [{ groups: { a: "ann" }, rules: [] }, /groups.a: a list of names is expected/],
];
for (const [document, message] of wrong) test(`policy: refused: ${message.source}`, () => assert.throws(() => parsePolicy(JSON.stringify(document), "a test"), message));

test("scopes: names may have colons; what is none is none", () => {
  assert.deepEqual(parseScope("repository:a/b:pull,push"), { type: "repository", name: "a/b", actions: ["pull", "push"] });
  assert.deepEqual(parseScope("repository:host:5000/a:pull"), { type: "repository", name: "host:5000/a", actions: ["pull"] });
  assert.deepEqual(parseScope("repository(plugin):a/b:pull,pull"), { type: "repository", name: "a/b", actions: ["pull"] });
  assert.deepEqual(parseScope("registry:catalog:*"), { type: "registry", name: "catalog", actions: ["*"] });
  for (const text of ["", "repository", "repository:a", ":a:pull", "repository::pull", 'repository:a"b:pull', "repository:a b:pull", `repository:${"a".repeat(600)}:pull`]) assert.equal(parseScope(text), undefined, text);
});

test("scopes: what is granted is asked and allowed; what a token covers is in it", () => {
  const asked = ["repository:a/b:pull,push,fly", "repository:c:*", "registry:catalog:*", "galaxy:x:*"].map((text) => parseScope(text)!);
  const some = granted(asked, (repository, action) => repository === "c" || action === "read", false);
  assert.deepEqual(some, [{ type: "repository", name: "a/b", actions: ["pull"] }, { type: "repository", name: "c", actions: ["pull", "push", "delete"] }]);
  assert.equal(covers(some, { repository: "a/b", action: "read" }), true);
  assert.equal(covers(some, { repository: "a/b", action: "write" }), false);
  assert.equal(covers(some, { repository: "a", action: "read" }), false);
  assert.equal(covers(some, { action: "catalog" }), false);
  assert.equal(covers([], { action: "ping" }), true);
});

test("the password file: bcrypt alone, and a message without what was in the line", () => {
  const hash = `$2y$05$${"a".repeat(53)}`;
  assert.deepEqual([...parseHtpasswd(`# comment\n\nann:${hash}\r\n`, "f")], [["ann", hash]]);
  for (const line of ["ann:secret", "ann:{SHA}x", `ann:$apr1$x`, `ann:$2y$31$${"a".repeat(53)}`, `:${hash}`, "ann"]) {
    assert.throws(() => parseHtpasswd(`ok:${hash}\n${line}\n`, "f"), (error: Error) => /read f: line 2: /.test(error.message) && !error.message.includes("secret"));
  }
});

test("guesses: a bucket a name and one an address, refilled with time; an IPv6 network is one", () => {
  let now = 0;
  const failures = countFailures({ perName: 3, perAddress: 5, everyMs: 60_000 }, () => now);
  for (let i = 0; i < 3; i++) failures.add("192.0.2.1", "ann");
  assert.equal(failures.delay("192.0.2.1", "ann"), 20);
  assert.equal(failures.delay("::ffff:192.0.2.1", "ann"), 20);
  assert.equal(failures.delay("192.0.2.1", "bob"), 0);
  assert.equal(failures.delay("192.0.2.2", "ann"), 0);
  now += 20_000;
  assert.equal(failures.delay("192.0.2.1", "ann"), 0);
  for (let i = 0; i < 5; i++) failures.add(`2001:db8:1:2::${i}`, `name${i}`);
  assert.ok(failures.delay("2001:db8:1:2:ffff::1", "other") > 0);
  assert.equal(failures.delay("2001:db8:1:3::1", "other"), 0);
  assert.ok(failures.delay("2001:db8:1:2::", "x") > 0);
});
