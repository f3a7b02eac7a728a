import assert from "node:assert/strict";
import { test } from "node:test";
import { executeTemplate, goType, parseTemplate, typed } from "./go-template.ts";

const data = {
  Name: "web",
  Count: 5,
  Ratio: 2.5,
  On: true,
  Off: false,
  Null: null,
  Empty: "",
  Names: ["a", "b", "c"],
  Map: { b: 2, a: 1, "x.y": "dotted" },
  Deep: { Er: { Est: "core" } },
  Row: Object.defineProperty({ ID: "id" }, goType, { value: "*row" }),
  Label: Object.assign((name: string) => `<${name}>`, { types: ["string"] }),
};

const functions = {
  upper: typed((text: string) => text.toUpperCase(), "string"),
  json: (value: unknown) => JSON.stringify(value),
  join: typed((parts: readonly string[], separator: string) => parts.join(separator), "[]string", "string"),
  twice: typed((text: string, count: number) => text.repeat(count), "string", "int"),
};

/** Template and what comes out: what Go's text/template prints for the same data. */
const prints: [template: string, text: string][] = [
  ["plain", "plain"],
  ["{{.Name}}", "web"],
  ["{{ .Name }}", "web"],
  ["<{{- .Name -}} >", "<web>"],
  ["a  {{- /* a comment */ -}}  b", "ab"],
  ["{{/* a comment */}}x", "x"],
  ["{{.Deep.Er.Est}}", "core"],
  ["{{(.Deep.Er).Est}}", "core"],
  ["{{.Nope}}", "<no value>"],
  ["{{.Null}}", "<no value>"],
  ["{{.Nope.More}}", "<no value>"],
  ["{{.Count}} {{.Ratio}} {{.On}}", "5 2.5 true"],
  ["{{.Names}} {{.Map}}", "[a b c] map[a:1 b:2 x.y:dotted]"],
  ["{{.Row}}", "{id}"],
  ['{{"q\\"\\t\\x41\\u00e9"}}{{`raw\\n`}}', 'q"\tAéraw\\n'],
  ["{{'a'}} {{0x10}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{1e3}} {{-5}} {{1.5}}", "97 16 3 15 15 1000 1000 -5 1.5"],
  ["{{true}} {{false}}", "true false"],
  ["{{if .On}}yes{{end}}", "yes"],
  ["{{if .Off}}yes{{else}}no{{end}}", "no"],
  ["{{if .Off}}a{{else if .On}}b{{else}}c{{end}}", "b"],
  ["{{if .Empty}}a{{else if .Null}}b{{else}}c{{end}}", "c"],
  ["{{if .Map}}a{{end}}{{if .Names}}b{{end}}{{if .Count}}c{{end}}{{if 0}}d{{end}}", "abc"],
  ["{{range .Names}}[{{.}}]{{end}}", "[a][b][c]"],
  ["{{range $i, $e := .Names}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "],
  ["{{range $e := .Names}}{{$e}}{{$.Name}} {{end}}", "aweb bweb cweb "],
  ["{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "a=1;b=2;x.y=dotted;"],
  ["{{range .Null}}x{{else}}none{{end}}", "none"],
  ["{{range .Names}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"],
  ["{{range .Names}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"],
  ["{{range 3}}{{.}}{{end}}", "012"],
  ["{{with .Deep}}{{.Er.Est}}{{end}}", "core"],
  ["{{with .Empty}}a{{else}}b{{end}}", "b"],
  ["{{with .Empty}}a{{else with .Name}}{{.}}{{end}}", "web"],
  ["{{with $x := .Name}}{{$x}}{{end}}", "web"],
  ["{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"],
  ["{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"],
  ["{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"],
  ['{{.Name | printf "%s-%s" "a"}}', "a-web"],
  ["{{.Name | upper | upper}}", "WEB"],
  ["{{upper (upper .Name)}}", "WEB"],
  ['{{.Label "k"}}', "<k>"],
  ['{{index .Map "x.y"}} {{index .Names 1}} {{index .Deep "Er" "Est"}}', "dotted b core"],
  ["{{len .Names}} {{len .Map}} {{len .Name}} {{len \"é\"}}", "3 3 3 2"],
  ["{{slice .Name 1}} {{slice .Name 1 2}} {{slice .Names 1 2}}", "eb e [b]"],
  ["{{eq .Count 5}} {{eq .Name \"a\" \"web\"}} {{ne .Count 5}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}", "true true false true true false true"],
  ["{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" 3}} {{or 0 \"\"}} {{not 0}}", "0 2 3  true"],
  ["{{and .Off (index .Names 9)}}", "false"],
  ["{{print 1 2 \"x\" 3 true}} {{println \"a\" 1}}", "1 2x3 true a 1\n"],
  ["{{html \"<a href='x'>&\"}} {{urlquery \"a b&c\"}} {{js \"a<'b\"}}", "&lt;a href=&#39;x&#39;&gt;&amp; a+b%26c a\\u003C\\'b"],
  ["{{json .Names}}", '["a","b","c"]'],
  ['{{join .Names ","}} {{twice "ab" 2}}', "a,b,c abab"],
  ['{{printf "%5d|%-5d|%05d|%+d" 42 42 42 42}}', "   42|42   |00042|+42"],
  ['{{printf "%s|%10s|%-10s|%.2s|%q" "web" "web" "web" "web" "we\\"b"}}', 'web|       web|web       |we|"we\\"b"'],
  ['{{printf "%v %v %v %v" 1 "a" true .Names}}', "1 a true [a b c]"],
  ['{{printf "%x %X %o %b %c %U" 255 255 8 5 65 233}}', "ff FF 10 101 A U+00E9"],
  ['{{printf "%.2f %8.3f %t %T %%" 2.5 2.5 true "x"}}', "2.50    2.500 true string %"],
  ['{{printf "%d %s %s" "a" 5}}', "%!d(string=a) %!s(int=5) %!s(MISSING)"],
  ['{{printf "x" 5 "y"}}', "x%!(EXTRA int=5, string=y)"],
  ['{{printf "%*d" 5 42}}', "   42"],
  ["{{if and (eq .Count 5) (not .Off)}}x{{end}}", "x"],
  ["a\n{{range .Names -}}\n{{.}}\n{{end}}b", "a\na\nb\nc\nb"],
];

for (const [template, text] of prints) {
  test(`prints ${JSON.stringify(template)}`, () => {
    assert.equal(executeTemplate(parseTemplate(template, functions), data), text);
  });
}

/** Template and the message, as Go words it. */
const fails: [template: string, message: string][] = [
  ["{{", ":1: unclosed action"],
  ["a\n{{.X", ":2: unclosed action"],
  ["{{.Name}", ":1: bad character U+007D '}'"],
  ["{{/* x", ":1: unclosed comment"],
  ["{{/* x */ y}}", ":1: comment ends before closing delimiter"],
  ['{{"x', ":1: unterminated quoted string"],
  ["{{`x", ":1: unterminated raw quoted string"],
  ["{{foo}}", ':1: function "foo" not defined'],
  ["{{$x}}", ':1: undefined variable "$x"'],
  ["{{range .Names}}{{$x := 1}}{{end}}{{$x}}", ':1: undefined variable "$x"'],
  ["{{}}", ":1: missing value for command"],
  ["{{if}}x{{end}}", ":1: missing value for if"],
  ["{{if .X}}", ":1: unexpected EOF"],
  ["{{end}}", ":1: unexpected {{end}}"],
  ["{{else}}", ":1: unexpected {{else}}"],
  ["{{if .X}}{{else}}{{else}}{{end}}", ":1: expected end; found {{else}}"],
  ["{{break}}", ":1: {{break}} outside {{range}}"],
  ["{{(.X}}", ":1: unclosed left paren"],
  ["{{.X)}}", ":1: unexpected right paren"],
  ["{{#}}", ':1: unexpected "#" in command'],
  ["{{\u00a7}}", ":1: unrecognized character in action: U+00A7 '§'"],
  ["{{3x}}", ':1: bad number syntax: "3x"'],
  ["{{1.X}}", ':1: bad number syntax: "1.X"'],
  ["{{.X | 5}}", ":1: non executable command in pipeline stage 2"],
  ["{{.X = 1}}", ':1: unexpected "=" in operand'],
  ["{{.Count | upper}}", ':1:11: executing "" at <upper>: wrong type for value; expected string; got int'],
  ["{{.Name.X}}", ':1:7: executing "" at <.Name.X>: can\'t evaluate field X in type string'],
  ["{{.Null.X}}", ':1:7: executing "" at <.Null.X>: nil pointer evaluating interface {}.X'],
  ["{{.Row.Nope}}", ':1:6: executing "" at <.Row.Nope>: can\'t evaluate field Nope in type *row'],
  ["{{.Row.ID 5}}", ':1:6: executing "" at <.Row.ID>: wrong number of args for ID: want 0 got 1'],
  ["{{.Name 5}}", ':1:2: executing "" at <.Name>: Name is not a method but has arguments'],
  ["{{.Label}}", ':1:2: executing "" at <.Label>: wrong number of args for Label: want 1 got 0'],
  ["{{.Label 5}}", ':1:9: executing "" at <5>: expected string; found 5'],
  ["a\n b {{.Name.X}}", ':2:10: executing "" at <.Name.X>: can\'t evaluate field X in type string'],
  ["{{index .Names 9}}", ':1:2: executing "" at <index .Names 9>: error calling index: index out of range: 9'],
  ["{{index .Names 3}}", ':1:2: executing "" at <index .Names 3>: error calling index: reflect: slice index out of range'],
  ['{{index .Names "x"}}', ':1:2: executing "" at <index .Names "x">: error calling index: cannot index slice/array with type string'],
  ["{{index .Nope 1}}", ':1:2: executing "" at <index .Nope 1>: error calling index: index of untyped nil'],
  ["{{len 3}}", ':1:2: executing "" at <len 3>: error calling len: len of type int'],
  ["{{len}}", ':1:2: executing "" at <len>: wrong number of args for len: want 1 got 0'],
  ['{{eq 1 "a"}}', ':1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison'],
  ["{{upper .Count}}", ':1:8: executing "" at <.Count>: wrong type for value; expected string; got int'],
  ["{{upper nil}}", ':1:8: executing "" at <nil>: cannot assign nil to string'],
  ["{{join .Name .Name}}", ':1:7: executing "" at <.Name>: wrong type for value; expected []string; got string'],
  ["{{range .Count}}{{.X}}{{end}}", ':1:18: executing "" at <.X>: can\'t evaluate field X in type int'],
  ["{{range .Name}}x{{end}}", ":1:8: executing \"\" at <.Name>: range can't iterate over web"],
  ["{{nil}}", ':1:2: executing "" at <nil>: nil is not a command'],
  ['{{"a" "b"}}', ':1:2: executing "" at <"a">: can\'t give argument to non-function "a"'],
];

for (const [template, message] of fails) {
  test(`refuses ${JSON.stringify(template)}`, () => {
    assert.throws(() => executeTemplate(parseTemplate(template, functions), data), { message: `template: ${message}` });
  });
}

test("a missing key is an error where asked, but not of lenient maps", () => {
  const labels = { a: "1" };
  const strict = { missingKey: "error", lenient: new WeakSet([labels]) } as const;
  const run = (template: string) => executeTemplate(parseTemplate(template), { Labels: labels }, strict);
  assert.equal(run("{{.Labels.a}}{{.Labels.b}}"), "1<no value>");
  assert.throws(() => run("{{.Nope}}"), { message: 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"' });
});

test("what was printed before a failure is told", () => {
  assert.throws(
    () => executeTemplate(parseTemplate("{{.Name}} {{len 3}}"), data),
    (error: { facts: { partial: string } }) => error.facts.partial === "web ",
  );
});

test("prototypes are not data", () => {
  assert.equal(executeTemplate(parseTemplate("{{.constructor}} {{.__proto__}}"), { a: 1 }), "<no value> <no value>");
});
