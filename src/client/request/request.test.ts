/** The create request, flag by flag, without a client of docker's at hand: what each flag changes of the plain request. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { parseFlags } from "../flags/parse.ts";
import { containerFlags, creationFlags } from "./flags.ts";
import { buildRequest } from "./request.ts";

const folder = mkdtempSync("/tmp/request-");
after(() => rmSync(folder, { recursive: true }));
writeFileSync(`${folder}/env`, "# comment\nA=1\n\n  B=2 \nHERE\nNOT_HERE\n");
writeFileSync(`${folder}/bad`, "A B=1\n");
writeFileSync(`${folder}/profile.json`, '{ "defaultAction": "SCMP_ACT_ALLOW" }');
writeFileSync(`${folder}/labels`, "a=1\nb\n");

function build(words: readonly string[]): Record<string, unknown> {
  const { options, args } = parseFlags({ ...containerFlags, ...creationFlags }, [...words, "image"], false);
  return buildRequest(options, args, { env: { HERE: "here" }, proxies: [] });
}

/** Leaves that differ, by path. */
function differences(plain: unknown, other: unknown, path = ""): Record<string, unknown> {
  const isMap = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isMap(plain) || !isMap(other) || Object.keys(plain).length === 0) {
    return JSON.stringify(plain) === JSON.stringify(other) ? {} : { [path]: other };
  }
  const found: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(plain), ...Object.keys(other)])) {
    Object.assign(found, differences(plain[key], other[key], path === "" ? key : `${path}.${key}`));
  }
  return found;
}

const plain = build([]);
const H = "HostConfig.";

const changes: [line: string, differences: Record<string, unknown>][] = [
  ["-it", { AttachStdin: true, Tty: true, OpenStdin: true, StdinOnce: true }],
  ["-a stdout", { AttachStderr: false }],
  ["-i -a stderr", { AttachStdin: true, AttachStdout: false, OpenStdin: true, StdinOnce: true }],
  ["-e A=1 -e B= --env C=x=y", { Env: ["A=1", "B=", "C=x=y"] }],
  [`--env-file ${folder}/env -e A=2`, { Env: ["A=1", "B=2 ", "HERE=here", "A=2"] }],
  [`-l c=2 --label-file ${folder}/labels`, { Labels: { a: "1", b: "", c: "2" } }],
  ["-v /a:/b:ro -v named:/c -v /anonymous -v /a:/b:ro", { Volumes: { "/anonymous": {} }, [`${H}Binds`]: ["/a:/b:ro", "named:/c"] }],
  ["-p 8080:80 -p 127.0.0.1:53:53/udp", {
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    [`${H}PortBindings`]: { "80/tcp": [{ HostIp: "", HostPort: "8080" }], "53/udp": [{ HostIp: "127.0.0.1", HostPort: "53" }] },
  }],
  ["-p 8000-8001:80-81", {
    ExposedPorts: { "80/tcp": {}, "81/tcp": {} },
    [`${H}PortBindings`]: { "80/tcp": [{ HostIp: "", HostPort: "8000" }], "81/tcp": [{ HostIp: "", HostPort: "8001" }] },
  }],
  ["-p 8000-8010:80", { ExposedPorts: { "80/tcp": {} }, [`${H}PortBindings`]: { "80/tcp": [{ HostIp: "", HostPort: "8000-8010" }] } }],
  ["-p [::1]:8080:80", { ExposedPorts: { "80/tcp": {} }, [`${H}PortBindings`]: { "80/tcp": [{ HostIp: "::1", HostPort: "8080" }] } }],
  ["-p 80:80,allow=10.0.0.0/8,allow=::1 -p target=90,published=91,allow=10.0.0.1", {
    ExposedPorts: { "80/tcp": {}, "90/tcp": {} },
    [`${H}PortBindings`]: { "80/tcp": [{ HostIp: "", HostPort: "80", Allow: ["10.0.0.0/8", "::1"] }], "90/tcp": [{ HostIp: "", HostPort: "91", Allow: ["10.0.0.1"] }] },
  }],
  ["--egress deny", { [`${H}Egress`]: { Default: "deny", Allow: [] } }],
  ["--egress allow", {}],
  ["--egress-allow example.com:443 --egress-allow 10.0.0.0/8", { [`${H}Egress`]: { Default: "deny", Allow: ["example.com:443", "10.0.0.0/8"] } }],
  ["--network-rate 10mbit", { [`${H}NetworkRate`]: { Egress: 10e6, Ingress: 10e6 } }],
  ["--network-rate 1.5mbit,down=1gbit", { [`${H}NetworkRate`]: { Egress: 1.5e6, Ingress: 1e9 } }],
  ["--network-rate up=1mbps", { [`${H}NetworkRate`]: { Egress: 8e6 } }],
  ["-P --expose 90-91/udp", { ExposedPorts: { "90/udp": {}, "91/udp": {} }, [`${H}PublishAllPorts`]: true }],
  ["--device /dev/null --device /dev/zero:/dev/x:r", {
    [`${H}Devices`]: [
      { PathOnHost: "/dev/null", PathInContainer: "/dev/null", CgroupPermissions: "rwm" },
      { PathOnHost: "/dev/zero", PathInContainer: "/dev/x", CgroupPermissions: "r" },
    ],
  }],
  ["--ulimit nofile=1:2 --ulimit core=-1", { [`${H}Ulimits`]: [{ Name: "core", Hard: -1, Soft: -1 }, { Name: "nofile", Hard: 2, Soft: 1 }] }],
  ["--tmpfs /a:size=1m --tmpfs /b", { [`${H}Tmpfs`]: { "/a": "size=1m", "/b": "" } }],
  ["--mount type=bind,src=/a,dst=/b,ro", { [`${H}Mounts`]: [{ Type: "bind", Source: "/a", Target: "/b", ReadOnly: true }] }],
  ["--mount type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1770", { [`${H}Mounts`]: [{ Type: "tmpfs", Target: "/b", TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1770 } }] }],
  [`--security-opt seccomp=${folder}/profile.json`, { [`${H}SecurityOpt`]: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] }],
  ["--security-opt systempaths=unconfined", { [`${H}SecurityOpt`]: [], [`${H}MaskedPaths`]: [], [`${H}ReadonlyPaths`]: [] }],
  ["--cap-add net_admin --cap-add CAP_SYS_TIME --cap-drop all", { [`${H}CapAdd`]: ["CAP_NET_ADMIN", "CAP_SYS_TIME"], [`${H}CapDrop`]: ["ALL"] }],
  ["-m 64m --memory-swap -1 --cpus 1.5", { [`${H}Memory`]: 67108864, [`${H}MemorySwap`]: -1, [`${H}NanoCpus`]: 1500000000 }],
  ["--network none", { [`${H}NetworkMode`]: "none", "NetworkingConfig.EndpointsConfig.default": undefined }],
  ["--dns 1.1.1.1 --dns-opt a --dns-option b --add-host h=::1", { [`${H}Dns`]: ["1.1.1.1"], [`${H}DnsOptions`]: ["a", "b"], [`${H}ExtraHosts`]: ["h:::1"] }],
  ["--restart on-failure:3", { [`${H}RestartPolicy.Name`]: "on-failure", [`${H}RestartPolicy.MaximumRetryCount`]: 3 }],
  ["--stop-timeout 0 --stop-signal INT", { StopSignal: "INT", StopTimeout: 0 }],
  ["--init=false", { [`${H}Init`]: false }],
  ["--entrypoint=", { Entrypoint: [""] }],
  ["--health-cmd true --health-interval 5s", { Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5e9 } }],
  ["--no-healthcheck", { Healthcheck: { Test: ["NONE"] } }],
  ["--gpus all", { [`${H}DeviceRequests`]: [{ Driver: "", Count: -1, DeviceIDs: null, Options: {}, Capabilities: [["gpu"]] }] }],
];

for (const [line, expected] of changes) {
  test(`create ${line.replaceAll(folder, "…")}`, () => assert.deepEqual(differences(plain, build(line.split(" "))), expected));
}

const wrong: [line: string, message: RegExp][] = [
  ["-v aa:bb:cc:dd", /^invalid spec: aa:bb:cc:dd: too many colons$/],
  ["-p 1-3:1-2", /^invalid ranges specified for container and host Ports: 1-2 and 1-3$/],
  ["-p 70000:80", /^invalid hostPort: 70000$/],
  ["-p 80:80,allow=x", /^invalid allow "x": expected an address or a prefix/],
  ["-p 80:80,alow=10.0.0.1", /^invalid publication "80:80,alow=10.0.0.1": behind the ports may stand allow=CIDR, not "alow=10.0.0.1"/],
  ["--egress maybe", /^invalid egress policy "maybe"/],
  ["--egress allow --egress-allow x", /^conflicting options: --egress allow/],
  ["--egress-allow http://x", /"http:\/\/x" is no target/],
  ["--network-rate fast", /invalid rate "fast": expected bits a second/],
  ["--network-rate 10mbit,sideways=1mbit", /expected RATE\[,up=RATE\]\[,down=RATE\]/],
  ["--expose x", /^invalid range format for --expose: x, error: strconv.ParseUint: parsing "x": invalid syntax$/],
  ["--device x", /^x is not an absolute path$/],
  ["--mount type=bind", /target is required$/],
  ["--mount dst=/a,size=1", /unexpected key 'size' in 'size=1'$/],
  ["--env-file /nope", /^open \/nope: no such file or directory$/],
  [`--env-file ${folder}/bad`, /variable 'A B' contains whitespaces$/],
  ["--security-opt foo", /^Invalid --security-opt: "foo"$/],
  ["--pid x", /^--pid: invalid PID mode$/],
  ["--restart always --rm", /^conflicting options: cannot specify both --restart and --rm$/],
  ["--network host --network foo", /^conflicting options/],
  ["--network host --network-alias a", /^network-scoped aliases are only supported for user-defined networks$/],
  ["--log-driver none --log-opt a=b", /^invalid logging opts for driver none$/],
  ["--no-healthcheck --health-cmd x", /^--no-healthcheck conflicts with --health-\* options$/],
  ["--memory-swappiness 200", /^invalid value: 200/],
  ["--use-api-socket", /does not have it yet$/],
];

for (const [line, message] of wrong) {
  test(`refuses ${line.replaceAll(folder, "…")}`, () => assert.throws(() => build(line.split(" ")), (error: Error) => message.test(error.message)));
}
