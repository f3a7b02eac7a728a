/** Gantry's own: where a container may send to (`--egress`, `--egress-allow`) and how fast (`--network-rate`). */
import { fail } from "#base/errors.ts";
import { parseEgress } from "#spec/egress.ts";

export type NetworkRate = { readonly Egress?: number; readonly Ingress?: number };

export function checkEgress(value: string): string {
  if (parseEgress(value) !== undefined) return value;
  throw fail("invalid", `${JSON.stringify(value)} is no target: expected a name, an address or a prefix, with ":PORT" and "/tcp" or "/udp" as wanted`);
}

/** Targets alone mean that the rest is denied. */
export function buildEgress(policy: string, allow: readonly string[]): { Egress?: { Default: string; Allow: readonly string[] } } {
  if (!["", "deny", "allow"].includes(policy)) throw fail("invalid", `invalid egress policy ${JSON.stringify(policy)}: it is deny or allow`);
  if (policy === "allow" && allow.length > 0) throw fail("invalid", "conflicting options: --egress allow lets everything out; --egress-allow says what a container may send to when the rest is denied");
  if (policy !== "deny" && allow.length === 0) return {};
  return { Egress: { Default: "deny", Allow: allow } };
}

/** "10mbit" both ways, "up=10mbit,down=1gbit", "10mbit,down=100mbit". Bits a second; up is what the container sends. */
export function parseRate(value: string): NetworkRate {
  const rate: { Egress?: number; Ingress?: number } = {};
  for (const [at, field] of value.split(",").entries()) {
    const [key, text] = field.includes("=") ? [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)] : ["", field];
    const bits = parseBits(text);
    if (key === "" && at === 0) Object.assign(rate, { Egress: bits, Ingress: bits });
    else if (key === "up") rate.Egress = bits;
    else if (key === "down") rate.Ingress = bits;
    else throw fail("invalid", `invalid rate ${JSON.stringify(value)}: expected RATE[,up=RATE][,down=RATE]`);
  }
  return rate;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** As `tc` writes it: bits in powers of 1000 ("10mbit"), bytes with "bps" ("1mbps"). */
function parseBits(text: string): number {
  const [, number = "", unit = "", kind = ""] = /^(\d+(?:\.\d+)?)([kmgt]?)(bits?|bps)?$/i.exec(text) ?? [];
  const bits = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN) * (kind.toLowerCase() === "bps" ? 8 : 1);
  if (number === "" || !Number.isSafeInteger(Math.round(bits))) throw fail("invalid", `invalid rate ${JSON.stringify(text)}: expected bits a second, such as 10mbit or 1gbit`);
  return Math.round(bits);
}
