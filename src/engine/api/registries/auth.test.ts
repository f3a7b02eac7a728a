import assert from "node:assert/strict";
import { test } from "node:test";
import type { Credentials } from "#transfer/transfer.ts";
import { authOf } from "./auth.ts";

const encode = (json: unknown, encoding: "base64" | "base64url" = "base64url") => Buffer.from(JSON.stringify(json)).toString(encoding);
const password = (username: string, password: string): Credentials => ({ kind: "password", username, password });

const headers: readonly (readonly [what: string, header: string, Credentials | undefined])[] = [
  ["name and password", encode({ username: "ann", password: "s:e" }), password("ann", "s:e")],
  ["plain base64 with padding", encode({ username: "ann", password: "p?>" }, "base64"), password("ann", "p?>")],
  ["auth alone", encode({ auth: Buffer.from("ann:a:b\0\0").toString("base64") }), password("ann", "a:b")],
  ["an identity token before a password", encode({ username: "ann", password: "p", identitytoken: "t" }), { kind: "identity", token: "t" }],
  ["a registry token before all", encode({ username: "ann", identitytoken: "t", registrytoken: "r" }), { kind: "registry", token: "r" }],
  ["names in any case", encode({ Username: "ann", PASSWORD: "p" }), password("ann", "p")],
  ["nothing in it", encode({}), undefined],
  ["a server alone", encode({ serveraddress: "x" }), undefined],
  ["empty", "", undefined],
  ["no JSON", "AAAA", undefined],
  ["JSON of another kind", encode([1]), undefined],
  ["a name that is no text", encode({ username: 5, password: "p" }), undefined],
];
for (const [what, header, credentials] of headers) {
  test(`X-Registry-Auth: ${what}`, () => assert.deepEqual(authOf({ "x-registry-auth": header }), credentials));
}

test("without the header there are no credentials", () => assert.equal(authOf({}), undefined));
