import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { openHostPorts, type Where } from "./host-ports.ts";
import { parsePorts, parseSpec, type PortPlan } from "./ports.ts";

const plan = (some: Partial<PortPlan>): PortPlan => ({ exposed: {}, bindings: {}, publishAll: false, ...some });
const bind = (HostPort: string, HostIp = "") => [{ HostIp, HostPort }];
const invalid = (text: RegExp) => (error: unknown) => error instanceof Failure && error.kind === "invalid" && text.test(error.message);

test("a port, a range, a protocol", () => {
  assert.deepEqual(parseSpec("80"), [{ port: 80, protocol: "tcp" }]);
  assert.deepEqual(parseSpec("53/UDP"), [{ port: 53, protocol: "udp" }]);
  assert.deepEqual(parseSpec("8000-8002/sctp").map(({ port }) => port), [8000, 8001, 8002]);
});

for (const spec of ["", "x", "0", "65536", "80-79", "80/icmp", "80/tcp/x", "-80", "80-", "1e3", " 80"]) {
  test(`${JSON.stringify(spec)} is no port`, () => assert.throws(() => parseSpec(spec), invalid(/invalid port specification/)));
}

test("what is bound is asked for; what is exposed only with publishAll", () => {
  const exposed = { "80/tcp": {}, "443/tcp": {}, "53/udp": {} };
  const bindings = { "80/tcp": bind("8080", "127.0.0.1"), "443/tcp": [] };
  assert.deepEqual(parsePorts(plan({ exposed, bindings })), [
    { port: 80, protocol: "tcp", hostIp: "127.0.0.1", hostPorts: { first: 8080, last: 8080 } },
  ]);
  const all = parsePorts(plan({ exposed, bindings, publishAll: true }));
  assert.deepEqual(all.map(({ port, protocol, hostPorts }) => [port, protocol, hostPorts?.first]), [[53, "udp", undefined], [80, "tcp", 8080], [443, "tcp", undefined]]);
});

test("host ports: none and 0 are the engine's choice, a range is the first free one", () => {
  const asked = (HostPort: string) => parsePorts(plan({ bindings: { "80/tcp": bind(HostPort) } }))[0]?.hostPorts;
  assert.equal(asked(""), undefined);
  assert.equal(asked("0"), undefined);
  assert.deepEqual(asked("8000-8010"), { first: 8000, last: 8010 });
  assert.throws(() => asked("8010-8000"), invalid(/invalid port specification/));
  assert.throws(() => asked("http"), invalid(/invalid port specification/));
});

test("host addresses", () => {
  const asked = (HostIp: string) => parsePorts(plan({ bindings: { "80/tcp": bind("80", HostIp) } }))[0]?.hostIp;
  assert.equal(asked("[::]"), "::");
  assert.equal(asked("2001:DB8::0"), "2001:db8::");
  assert.throws(() => asked("localhost"), invalid(/invalid IP address: localhost/));
});

const both: Where = { defaults: ["0.0.0.0", "::"], by: (ip) => (ip.includes(":") ? "proxy" : "kernel") };
const requests = (HostPort: string, HostIp = "", spec = "80/tcp") => parsePorts(plan({ bindings: { [spec]: bind(HostPort, HostIp) } }));

test("a port on every address of the host is one number for IPv4 and IPv6", () => {
  const ports = openHostPorts({ first: 40000, last: 40003 });
  const got = ports.take(requests(""), both);
  assert.deepEqual(got.map(({ hostIp, hostPort, by, chosen }) => [hostIp, hostPort, by, chosen]), [["0.0.0.0", 40000, "kernel", true], ["::", 40000, "proxy", true]]);
});

test("two containers never get the same port", () => {
  const ports = openHostPorts({ first: 40000, last: 40003 });
  const first = ports.take(requests("80"), both);
  const taken = { kind: "internal", message: "Bind for 0.0.0.0:80 failed: port is already allocated" };
  assert.throws(() => ports.take(requests("80"), both), taken);
  assert.throws(() => ports.take(requests("80", "127.0.0.1"), both), { message: "Bind for 127.0.0.1:80 failed: port is already allocated" });
  assert.throws(() => ports.take(requests("80", "fd00::1"), both), { message: "Bind for [fd00::1]:80 failed: port is already allocated" });
  assert.equal(ports.take(requests("80", "", "80/udp"), both).length, 2, "another protocol is another port");
  ports.release(first);
  assert.equal(ports.take(requests("80", "127.0.0.1"), both).length, 1);
  assert.equal(ports.take(requests("80", "127.0.0.2"), both).length, 1);
  assert.throws(() => ports.take(requests("80"), both), taken);
});

test("a range gives its first free port", () => {
  const ports = openHostPorts({ first: 40000, last: 40003 });
  const give = () => ports.take(requests("8000-8001"), both)[0]?.hostPort;
  assert.deepEqual([give(), give()], [8000, 8001]);
  assert.throws(give, { message: "Bind for 0.0.0.0:8000 failed: port is already allocated" });
});

test("chosen ports go round, and end when all are used", () => {
  const ports = openHostPorts({ first: 40000, last: 40001 });
  const first = ports.take(requests(""), both);
  ports.release(first);
  const second = ports.take(requests(""), both);
  assert.deepEqual([first[0]?.hostPort, second[0]?.hostPort], [40000, 40001]);
  ports.take(requests(""), both);
  assert.throws(() => ports.take(requests(""), both), { kind: "exhausted" });
});

test("a container's ports are taken all or not at all", () => {
  const ports = openHostPorts({ first: 40000, last: 40003 });
  ports.take(requests("81"), both);
  const two = parsePorts(plan({ bindings: { "80/tcp": bind("80"), "81/tcp": bind("81") } }));
  assert.throws(() => ports.take(two, both), /port is already allocated/);
  assert.equal(ports.take(requests("80"), both).length, 2);
});

test("without a way for IPv6 only IPv4 is published, and asking for IPv6 is refused", () => {
  const ports = openHostPorts({ first: 40000, last: 40003 });
  const four: Where = { ...both, by: (ip) => (ip.includes(":") ? undefined : "kernel") };
  assert.deepEqual(ports.take(requests("80"), four).map(({ hostIp }) => hostIp), ["0.0.0.0"]);
  assert.throws(() => ports.take(requests("81", "::1"), four), { kind: "invalid" });
});

test("a routed network's ports take none of the host's", () => {
  const ports = openHostPorts({ first: 40000, last: 40000 });
  const routed: Where = { ...both, by: (ip) => (ip.includes(":") ? "kernel" : "route") };
  assert.deepEqual(ports.take(requests("80"), routed).map(({ hostIp, hostPort, by }) => [hostIp, hostPort, by]), [["0.0.0.0", 0, "route"], ["::", 80, "kernel"]]);
  assert.throws(() => ports.take(requests("80", "::"), both), /port is already allocated/);
  assert.equal(ports.take(requests("80", "0.0.0.0"), both)[0]?.hostPort, 80);
});
