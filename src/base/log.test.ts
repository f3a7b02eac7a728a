import assert from "node:assert/strict";
import { test } from "node:test";
import { fail } from "./errors.ts";
import { type LogOptions, openLog } from "./log.ts";

function lines(options: LogOptions, use: (log: ReturnType<typeof openLog>) => void): string[] {
  const written: string[] = [];
  use(openLog({ ...options, write: (line) => written.push(line) }));
  return written.map((line) => line.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, "TIME"));
}

test("one line an entry, fields as logfmt", () => {
  const written = lines({}, (log) => {
    log.info("listening", { address: "unix:///run/x.sock", count: 3 });
    log.warn("two words", { error: fail("invalid", "what: why", { cause: new Error("deeper") }) });
    log.warn("told", { error: fail("invalid", "what: why", { cause: new Error("why") }) });
  });
  assert.deepEqual(written, [
    'time="TIME" level=info msg=listening address=unix:///run/x.sock count=3\n',
    'time="TIME" level=warning msg="two words" error="what: why (deeper)"\n',
    'time="TIME" level=warning msg=told error="what: why"\n',
  ]);
});

test("a hostile value starts no line and no field", () => {
  const [line] = lines({}, (log) => log.error("x", { name: 'a" level=info\nmsg=b\u001b[2J' }));
  assert.equal(line, 'time="TIME" level=error msg=x name="a\\" level=info\\nmsg=b\\u001b[2J"\n');
});

test("JSON", () => {
  const [line] = lines({ format: "json" }, (log) => log.warn("x", { a: 1, b: { c: 2 } }));
  assert.deepEqual(JSON.parse(line!), { a: "1", b: '{"c":2}', level: "warning", msg: "x", time: "TIME" });
});

test("what is below the level is not written, and the level can change", () => {
  const written = lines({ level: "warn" }, (log) => {
    log.info("no");
    log.setLevel("debug");
    log.debug("yes");
  });
  assert.deepEqual(written, ['time="TIME" level=debug msg=yes\n']);
});
