/** Options of a bridge network, with Docker's names: from text to what they stand for. Pure. */
import { fail, type Failure } from "#base/errors.ts";
import { isIP } from "node:net";
import type { GatewayMode, NetworkRecord } from "../network.ts";

const PREFIX = "com.docker.network.bridge.";
const DRIVER = "com.docker.network.driver.";
const MTU = `${DRIVER}mtu`;
const KNOWN = new Set([
  "name", "enable_icc", "enable_ip_masquerade", "host_binding_ipv4", "inhibit_ipv4", "gateway_mode_ipv4", "gateway_mode_ipv6",
  "trusted_host_interfaces", "default_bridge",
]);
const MODES: readonly string[] = ["nat", "nat-unprotected", "routed", "isolated"] satisfies GatewayMode[];

export type BridgeOptions = Pick<NetworkRecord, "bridge" | "mtu" | "icc" | "masquerade"> & Partial<Pick<NetworkRecord, "gatewayMode4" | "gatewayMode6" | "publishAddress">>;

/** @throws invalid, with Docker's texts; also for a misspelt option, which would be silently without effect */
export function parseBridgeOptions({ id, options, internal, mtu }: NetworkRecord): BridgeOptions {
  for (const key of Object.keys(options)) {
    if (key.startsWith(PREFIX) ? !KNOWN.has(key.slice(PREFIX.length)) : key.startsWith(DRIVER) && key !== MTU) throw unknown(key);
  }
  if (isTrue(options, "default_bridge")) throw fail("forbidden", "default bridge network is created by the engine");
  boolean(options, "inhibit_ipv4", false);
  const modes = { gatewayMode4: mode(options, 4, internal), gatewayMode6: mode(options, 6, internal) };
  const publishAddress = hostBinding(options);
  return {
    bridge: bridgeName(options, id),
    mtu: options[MTU] === undefined ? mtu : parseMtu(options[MTU]),
    icc: boolean(options, "enable_icc", true),
    masquerade: boolean(options, "enable_ip_masquerade", true),
    ...(modes.gatewayMode4 === undefined ? {} : { gatewayMode4: modes.gatewayMode4 }),
    ...(modes.gatewayMode6 === undefined ? {} : { gatewayMode6: modes.gatewayMode6 }),
    ...(publishAddress === "" ? {} : { publishAddress }),
  };
}

function bridgeName(options: NetworkRecord["options"], id: string): string {
  const name = options[`${PREFIX}name`] ?? "";
  if (name === "") return `br-${id.slice(0, 12)}`;
  if (!/^[^\s/:\u0000-\u001f]{1,15}$/.test(name) || name === "." || name === ".." || name === "lo") throw fail("invalid", `invalid bridge name ${JSON.stringify(name)}: not a valid name of an interface`);
  return name;
}

function boolean(options: NetworkRecord["options"], key: string, unset: boolean): boolean {
  const text = options[PREFIX + key];
  if (text === undefined) return unset;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw unparsed(PREFIX + key, text, `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

const isTrue = (options: NetworkRecord["options"], key: string) => boolean(options, key, false);

export function parseMtu(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw unparsed(MTU, text, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  const mtu = Number(text);
  // The kernel's least for a bridge.
  if (mtu < 0 || (mtu > 0 && mtu < 68) || mtu > 65535) throw fail("invalid", `invalid MTU number: ${mtu}`);
  return mtu === 0 ? 1500 : mtu;
}

function mode(options: NetworkRecord["options"], family: 4 | 6, internal: boolean): GatewayMode | undefined {
  const key = `${PREFIX}gateway_mode_ipv${family}`;
  const text = options[key];
  if (text === undefined || text === "") return undefined;
  if (!MODES.includes(text)) throw unparsed(key, text, `unknown gateway mode ${text}`);
  if (text === "isolated" && !internal) throw fail("invalid", "gateway mode 'isolated' can only be used for an internal network");
  return text as GatewayMode;
}

function hostBinding(options: NetworkRecord["options"]): string {
  const key = `${PREFIX}host_binding_ipv4`;
  const text = options[key] ?? "";
  if (text !== "" && isIP(text) !== 4) throw unparsed(key, text, "invalid ip");
  return text;
}

const unparsed = (key: string, text: string, why: string): Failure => fail("invalid", `failed to parse ${key} value: ${text} (${why})`);
const unknown = (key: string): Failure => fail("invalid", `unknown option ${key} of the bridge driver: it has ${[MTU, ...[...KNOWN].map((name) => PREFIX + name)].join(", ")}`);
