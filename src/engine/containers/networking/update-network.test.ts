/** Published ports of a container after an update: what it asks for from then on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostConfig, PortBinding } from "#spec/docker.ts";
import { mergePorts } from "./update-network.ts";

const on = (HostPort: string, HostIp = ""): PortBinding => ({ HostIp, HostPort });
const record = (PortBindings: Record<string, PortBinding[]>, ports: Record<string, PortBinding[]> = {}) => ({ name: "web", hostConfig: { PortBindings } as HostConfig, ports });
const before = { "80/tcp": [on("8080"), on("9090", "127.0.0.1")], "53/udp": [on("")] };

const cases: [title: string, change: Parameters<typeof mergePorts>[1], after: Record<string, PortBinding[]>][] = [
  ["nothing", {}, before],
  ["one more", { PublishAdd: { "443/tcp": [on("8443")] } }, { ...before, "443/tcp": [on("8443")] }],
  ["one more of the same", { PublishAdd: { "80/tcp": [on("8081")] } }, { ...before, "80/tcp": [...before["80/tcp"], on("8081")] }],
  ["all of a port", { PublishRemove: { "80/tcp": [] } }, { "53/udp": [on("")] }],
  ["by host port", { PublishRemove: { "80/tcp": [on("8080")] } }, { ...before, "80/tcp": [on("9090", "127.0.0.1")] }],
  ["by host address", { PublishRemove: { "80/tcp": [on("", "127.0.0.1")] } }, { ...before, "80/tcp": [on("8080")] }],
  ["one that the engine chose, by the number it has now", { PublishRemove: { "53/udp": [on("32768")] } }, { "80/tcp": before["80/tcp"] }],
  ["to another", { PublishRemove: { "80/tcp": [on("8080")] }, PublishAdd: { "81/tcp": [on("8080")] } }, { ...before, "80/tcp": [on("9090", "127.0.0.1")], "81/tcp": [on("8080")] }],
];

for (const [title, change, after] of cases) {
  test(title, () => {
    const given = record(before, { "53/udp": [on("32768", "0.0.0.0")] });
    assert.deepEqual(mergePorts(given, change), after);
    assert.deepEqual(given.hostConfig.PortBindings, before, "what was is not touched");
  });
}

test("what is not published cannot be withdrawn", () => {
  for (const remove of [{ "81/tcp": [] }, { "80/udp": [] }, { "80/tcp": [on("8082")] }]) {
    assert.throws(() => mergePorts(record(before), { PublishRemove: remove }), { kind: "not-found", message: /^No public port '\d+\/\w+' published for web$/ });
  }
});
