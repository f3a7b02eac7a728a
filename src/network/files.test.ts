import assert from "node:assert/strict";
import { test } from "node:test";
import { hostnameFile, hostsFile, isOwnResolvConf, resolvConfFile, usesStub, type HostsRequest, type ResolvRequest, withHosts, withoutHosts } from "./files.ts";

const hosts = (some: Partial<HostsRequest>) =>
  hostsFile({ extraHosts: [], hostGateways: ["172.17.0.1"], addresses: ["172.17.0.2"], hostname: "abc", domainname: "", ...some });

test("hosts: the usual lines, the extra ones, the container's own", () => {
  const text = hosts({ extraHosts: ["db:10.0.0.9", "six=[fd00::9]", "up:host-gateway"], domainname: "example.org" });
  assert.equal(
    text,
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n" +
      "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.0.0.9\tdb\nfd00::9\tsix\n172.17.0.1\tup\n172.17.0.2\tabc.example.org abc\n",
  );
});

test("hosts: a container in the host's network has the host's lines, one without a network no address", () => {
  assert.equal(hosts({ base: "127.0.0.1 localhost\n10.0.0.1 here\n", addresses: [], extraHosts: ["db:10.0.0.9"] }), "127.0.0.1 localhost\n10.0.0.1 here\n10.0.0.9\tdb\n");
  assert.ok(!hosts({ addresses: [] }).includes("abc"));
});

for (const host of ["", "db", "db:", ":10.0.0.1", "db:10.0.0", "d b:10.0.0.1", "db:[10.0.0.1", "db:10.0.0.1\n10.0.0.2 x"]) {
  test(`hosts: ${JSON.stringify(host)} is refused`, () => assert.throws(() => hosts({ extraHosts: [host] }), { kind: "invalid" }));
}

test("hosts: host-gateway needs a gateway", () => {
  assert.throws(() => hosts({ extraHosts: ["up:host-gateway"], hostGateways: [] }), /host-gateway/);
});

test("hosts: lines of an endpoint come and go; what somebody else has written stays", () => {
  const names = { Hostname: "box", Domainname: "" };
  const text = "127.0.0.1\tlocalhost\n10.0.0.2\tbox\n# mine\n10.0.0.22 other";
  const more = withHosts(text, ["10.1.0.2", "fd00::2"], names);
  assert.equal(more, `${text}\n10.1.0.2\tbox\nfd00::2\tbox\n`);
  assert.equal(withHosts(more, ["10.1.0.2"], names), more, "once");
  assert.equal(withoutHosts(more, ["10.0.0.2", "fd00::2"]), "127.0.0.1\tlocalhost\n# mine\n10.0.0.22 other\n10.1.0.2\tbox\n");
  assert.equal(withoutHosts(text, []), text);
  assert.equal(withHosts("", ["10.0.0.3"], { Hostname: "a", Domainname: "b.c" }), "10.0.0.3\ta.b.c a\n");
});

test("hostname is one line", () => assert.equal(hostnameFile("abc"), "abc\n"));

const BASE = "# mine\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver fd00::53\ndomain old.org\nsearch a.org b.org\noptions edns0 trust-ad\noptions ndots:2\n";
const resolv = (some: Partial<ResolvRequest>) =>
  resolvConfFile({ base: BASE, mode: "own", ipv6: false, dns: [], search: [], options: [], ...some }).split("\n").filter((line) => !line.startsWith("#") && line !== "");

test("resolv.conf: the host's, without servers the container cannot reach", () => {
  assert.deepEqual(resolv({}), ["nameserver 192.0.2.1", "search a.org b.org", "options edns0 trust-ad ndots:2"]);
  assert.deepEqual(resolv({ ipv6: true })[1], "nameserver fd00::53");
});

test("resolv.conf: public servers when none is left", () => {
  const base = "nameserver 127.0.0.1\nnameserver ::1\n";
  assert.deepEqual(resolv({ base }), ["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
  assert.equal(resolv({ base, ipv6: true }).length, 4);
  assert.deepEqual(resolv({ base: "" }), ["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
});

test("resolv.conf: what is asked for replaces what the host says, kind by kind", () => {
  assert.deepEqual(resolv({ dns: ["127.0.0.11"], search: ["x"] }), ["nameserver 127.0.0.11", "search x", "options edns0 trust-ad ndots:2"]);
  assert.deepEqual(resolv({ search: ["."], options: ["timeout:1"] }), ["nameserver 192.0.2.1", "options timeout:1"]);
});

test("resolv.conf: in the host's network it is the host's own text, unless something is asked for", () => {
  assert.equal(resolvConfFile({ base: BASE, mode: "host", ipv6: true, dns: [], search: [], options: [] }), BASE);
  assert.deepEqual(resolv({ mode: "host", search: ["x"] }).slice(0, 2), ["nameserver 127.0.0.53", "nameserver 192.0.2.1"]);
});

test("resolv.conf: in a network with names 127.0.0.11 answers, names go there as they are first, and whom it asks is said", () => {
  const text = resolvConfFile({ base: BASE, mode: "own", resolver: true, ipv6: false, dns: [], search: [], options: [] });
  assert.match(text, /^# ExtServers: \[host\(127\.0\.0\.53\) 192\.0\.2\.1 fd00::53\]$/m);
  assert.deepEqual(resolv({ resolver: true }), ["nameserver 127.0.0.11", "search a.org b.org", "options edns0 trust-ad ndots:0"]);
  assert.deepEqual(resolv({ resolver: true, dns: ["10.0.0.1"], search: ["x"], options: ["ndots:3", "timeout:1"] }), ["nameserver 127.0.0.11", "search x", "options ndots:3 timeout:1"]);
  assert.deepEqual(resolv({ resolver: true, base: "" }), ["nameserver 127.0.0.11", "options ndots:0"]);
});

test("resolv.conf: it is known whether somebody has changed it", () => {
  const text = resolvConfFile({ base: BASE, mode: "own", ipv6: false, dns: [], search: [], options: [] });
  assert.ok(isOwnResolvConf(text));
  for (const other of ["", BASE, text.replace("192.0.2.1", "192.0.2.2"), `${text}nameserver 192.0.2.9\n`, text.replace(/\n#[^\n]*\n$/, "\n")]) assert.ok(!isOwnResolvConf(other), other);
});

test("systemd-resolved's stub is known only when it is alone", () => {
  assert.ok(usesStub("nameserver 127.0.0.53\noptions edns0\n"));
  assert.ok(!usesStub(BASE));
  assert.ok(!usesStub("# nameserver 127.0.0.53\n"));
});
