/** Which proxy a request goes through: Go's rules, which Docker's are. */
import { BlockList, isIP } from "node:net";
import { bareHost } from "../http/addresses.ts";
import type { TransferSettings } from "../transfer.ts";

/** "" for none. Loopback is never asked through a proxy. */
export function proxyFor(url: URL, { http, https, no }: TransferSettings["proxies"]): string {
  const proxy = url.protocol === "https:" ? https : http;
  if (proxy === "" || isExempt(url, no)) return "";
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function isExempt(url: URL, no: string): boolean {
  const host = bareHost(url.hostname).toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || (isIP(host) !== 0 && LOOPBACK.check(host, isIP(host) === 6 ? "ipv6" : "ipv4"))) return true;
  return no.split(",").map((entry) => entry.trim().toLowerCase()).some((entry) => entry !== "" && covers(entry, host, port));
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** "*", an address, a range, "example.com" (and below), ".example.com" (only below), each but a range with ":PORT". */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inRange(entry, host);
  const [, name = "", wanted] = /^(\[.*\]|[^:]*|[0-9a-f:]*::[0-9a-f:.]*)(?::(\d+))?$/.exec(entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const bare = bareHost(name).replace(/^\*/, "");
  if (isIP(host) !== 0) return bare === host;
  return bare.startsWith(".") ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function inRange(entry: string, host: string): boolean {
  const [address = "", prefix = ""] = entry.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(host) === 0 || !/^\d+$/.test(prefix) || Number(prefix) > (family === 6 ? 128 : 32)) return false;
  const range = new BlockList();
  range.addSubnet(address, Number(prefix), family === 6 ? "ipv6" : "ipv4");
  return range.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");
}
