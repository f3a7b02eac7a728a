/**
 * What every network driver promises, in a network namespace of the test's own.
 *
 *     inOwnNetwork(import.meta.url, () => networkDriverSuite({ driver: "bridge" }));
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import { openTestHost } from "../fixtures/network-host.ts";

export type DriverCase = {
  readonly driver: string;
  /** A reason why the kernel of this machine cannot. */
  readonly skip?: string | undefined;
  readonly options?: Readonly<Record<string, string>>;
  /** The interface of the host that options name, and the like. */
  readonly prepare?: (ip: (...args: string[]) => string) => void;
  /** Endpoints have an end in the host. */
  readonly hasHostInterface?: boolean;
};

export function networkRequest(wish: Partial<Omit<NetworkCreateRequest, "IPAM">> & { subnets?: readonly string[] } = {}): NetworkCreateRequest {
  const { subnets = [], ...rest } = wish;
  return {
    Name: "net", Driver: "", EnableIPv4: true, EnableIPv6: false, Internal: false, Attachable: false, Ingress: false, ConfigOnly: false, ConfigFrom: "",
    Options: {}, Labels: {}, ...rest,
    IPAM: { Driver: "", Options: {}, Config: subnets.map((Subnet) => ({ Subnet })) },
  };
}

export function networkDriverSuite({ driver, skip, options = {}, prepare, hasHostInterface = driver === "bridge" }: DriverCase): void {
  const { ip, opened, start, serve, inNamespace, askFrom } = openTestHost();
  const request = networkRequest({ Name: "suite", Driver: driver, Options: { ...options }, subnets: ["10.44.0.0/24"] });
  const host = () => ip("-br", "link").split("\n").map((line) => line.split(/[ @]/, 1)[0]!).filter((name) => name !== "").toSorted();
  if (prepare !== undefined && !skip) prepare(ip);

  test(`${driver}: a network comes and goes, and nothing of it stays`, { skip: skip ?? false }, async () => {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const before = host();
    const made = await network.create(request);
    assert.equal(network.get("suite").id, made.network.id);
    const during = host();
    await network.reconcile(new Set());
    assert.deepEqual(host(), during, "bringing it up again changes nothing");
    await network.remove(made.network.id);
    assert.deepEqual(host(), before);
    assert.throws(() => network.get("suite"), { kind: "not-found", message: "network suite not found" });
    await close();
  });

  test(`${driver}: its containers have the addresses they are told, and reach each other`, { skip: skip ?? false }, async () => {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const made = await network.create(request);
    const a = await start(network, "a", { network: "suite", settings: { IPAMConfig: { IPv4Address: "10.44.0.77" } } });
    const b = await start(network, "b", { network: "suite" });
    assert.equal(a.attachment.address, "10.44.0.77");
    assert.match(await inNamespace(a.pid, "ip", "-4", "-o", "address", "show", "eth0"), /10\.44\.0\.77\/24/);
    await serve(a.pid, 80, "a");
    assert.equal(await askFrom(b.pid, "10.44.0.77", 80), `a ${b.attachment.address}`);
    assert.equal(host().includes(a.attachment.hostInterface), hasHostInterface);
    await assert.rejects(network.remove(made.network.id), { kind: "forbidden", message: /^error while removing network: network suite id [0-9a-f]{64} has active endpoints/ });
    await b.stop();
    await a.stop();
    await network.remove(made.network.id);
    await close();
  });

  test(`${driver}: a running container joins and leaves`, { skip: skip ?? false }, async () => {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const made = await network.create(request);
    const a = await start(network, "a");
    const b = await start(network, "b", { network: "suite" });
    await serve(b.pid, 80, "b");
    const { attachment, saved } = network.join({ container: a.attachment.container, name: "a", network: "suite", exposed: {}, bindings: {}, publishAll: false });
    await saved;
    assert.equal(attachment.interface, "eth1");
    await network.connect(attachment, a.pid);
    assert.equal(await askFrom(a.pid, b.attachment.address, 80), `b ${attachment.address}`);
    await network.disconnect(attachment, a.pid);
    assert.doesNotMatch(await inNamespace(a.pid, "ip", "-o", "link"), /eth1/);
    assert.deepEqual(network.attachmentsOf(a.attachment.container).map(({ networkName }) => networkName), ["bridge"]);
    await a.stop();
    await b.stop();
    await network.remove(made.network.id);
    await close();
  });

  test(`${driver}: after a start of the engine, and of the host, the network is there again`, { skip: skip ?? false }, async () => {
    const first = await opened();
    await first.network.reconcile(new Set());
    const record = (await first.network.create(request)).network;
    const during = host();
    await first.close();
    for (const name of during.filter((one) => one === record.bridge)) ip("link", "delete", name);
    const second = await opened({}, first.path);
    await second.network.reconcile(new Set());
    assert.deepEqual(second.network.get("suite"), record);
    assert.deepEqual(host(), during);
    const a = await start(second.network, "a", { network: "suite" });
    assert.match(await inNamespace(a.pid, "ip", "-4", "-o", "address", "show", "eth0"), /10\.44\.0\.2\/24/);
    await a.stop();
    await second.network.remove(record.id);
    await second.close();
  });
}
