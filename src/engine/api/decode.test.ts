import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { type Json, parseJson } from "#base/json.ts";
import { boolean, type Decoder, int, list, nullable, optional, record, string, struct } from "./decode.ts";

const point: Decoder<unknown> = struct({ X: int, Name: string, On: boolean, Tags: list(string), Labels: record(string), Limit: nullable(int), Extra: optional(string), In: struct({ Y: int }) });
const zero = { X: 0, Name: "", On: false, Tags: null, Labels: null, Limit: null, In: { Y: 0 } };
const read = (text: string) => JSON.parse(JSON.stringify(point(parseJson(text) as Json, "Point")));

for (const [text, expected] of [
  ["{}", zero],
  ["null", zero],
  ['{"x":1,"NAME":"a","on":true}', { ...zero, X: 1, Name: "a", On: true }],
  ['{"Tags":[],"Labels":{}}', { ...zero, Tags: [], Labels: {} }],
  ['{"Tags":null,"Limit":0}', { ...zero, Limit: 0 }],
  ['{"Labels":{"a":"1","A":"2"}}', { ...zero, Labels: { a: "1", A: "2" } }],
  ['{"unknown":{"deep":[1]},"in":{"y":5,"z":6}}', { ...zero, In: { Y: 5 } }],
  ['{"Extra":"e"}', { ...zero, Extra: "e" }],
  ['{"Extra":null,"In":null,"X":null}', zero],
  ['{"\u017fX":1,"tag\u017f":["long s"]}', { ...zero, Tags: ["long s"] }],
] as const) {
  test(`reads ${text}`, () => assert.deepEqual(read(text), expected));
}

for (const [text, path] of [
  ['{"X":"1"}', "Point.X"],
  ['{"X":1.5}', "Point.X"],
  ['{"Name":1}', "Point.Name"],
  ['{"On":"true"}', "Point.On"],
  ['{"On":1}', "Point.On"],
  ['{"Tags":{}}', "Point.Tags"],
  ['{"Tags":["a",1]}', "Point.Tags[1]"],
  ['{"Labels":["a"]}', "Point.Labels"],
  ['{"Labels":{"a":1}}', 'Point.Labels["a"]'],
  ['{"In":{"Y":[]}}', "Point.In.Y"],
  ['{"In":[]}', "Point.In"],
  ["[]", "Point"],
  ['"text"', "Point"],
  ['{"x":1,"X":2}', "Point.X is given twice"],
  ['{"On":false,"\u006fn":true}', "Point.On is given twice"],
] as const) {
  test(`refuses ${text}`, () => assert.throws(() => read(text), (e) => e instanceof Failure && e.kind === "invalid" && e.message.includes(path)));
}

test("a label called __proto__ is a label", () => {
  const { Labels } = struct({ Labels: record(string) })(parseJson('{"Labels":{"__proto__":"x"}}'), "P");
  assert.deepEqual(Object.entries(Labels!), [["__proto__", "x"]]);
});
