/** EXPOSE's words: "80", "80/udp", "8000-8010/tcp", and the long form "[IP:][HOST:]CONTAINER" of old, of which only the last part counts. */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";

/** "80" → ["80/tcp"]; one a port. @throws invalid, with Docker's words */
export function exposedPorts(word: string): string[] {
  const parts = word.split(":");
  const container = parts.pop()!;
  const host = parts.pop() ?? "";
  const address = parts.join(":").replace(/^\[(.*)\]$/, "$1");
  const [ports = "", protocol = ""] = split(container, "/");
  if (ports === "") throw fail("invalid", `invalid port: ${JSON.stringify(word)}: no port specified`);
  if (!/^(tcp|udp|sctp)?$/i.test(protocol)) throw fail("invalid", `invalid port: ${JSON.stringify(word)}: invalid proto: ${protocol}`);
  if (address !== "" && isIP(address) === 0) throw fail("invalid", `invalid IP address: ${address}`);
  const [first, last] = portRange(ports) ?? raise(`invalid containerPort: ${ports}`);
  if (host !== "") checkHost(host, ports, last - first);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol.toLowerCase() || "tcp"}`);
}

function checkHost(host: string, ports: string, length: number): void {
  const [first, last] = portRange(host) ?? raise(`invalid hostPort: ${host}`);
  if (length !== 0 && last - first !== length) throw fail("invalid", `invalid ranges specified for container and host Ports: ${ports} and ${host}`);
}

function portRange(text: string): [first: number, last: number] | undefined {
  const [, low = "", high = low] = /^\+?(\d{1,9})(?:-\+?(\d{1,9}))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  return low === "" || last < first || last > 65_535 ? undefined : [first, last];
}

function split(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

const raise = (message: string): never => {
  throw fail("invalid", message);
};
