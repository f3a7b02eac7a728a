/**
 * How often somebody may guess a password: failures of an address together, and of an address for one name. Each bucket
 * refills with time; what is empty refuses before any work is done. Success takes nothing, so that many machines behind one
 * address may log in.
 */
export type Failures = {
  /** Seconds to wait; 0: go on. */
  delay(address: string, name: string): number;
  add(address: string, name: string): void;
};

export type FailureLimits = { readonly perName: number; readonly perAddress: number; readonly everyMs: number };

/** Ten guesses a minute for a name, fifty for an address. */
export const defaultLimits: FailureLimits = { perName: 10, perAddress: 50, everyMs: 60_000 };

type Bucket = { level: number; at: number };

const MOST = 20_000;

export function countFailures(limits: FailureLimits, now: () => number = () => performance.now()): Failures {
  const buckets = new Map<string, Bucket>();
  const levelOf = (key: string, size: number): number => {
    const bucket = buckets.get(key);
    return bucket === undefined ? 0 : Math.max(0, bucket.level - ((now() - bucket.at) * size) / limits.everyMs);
  };
  const raise = (key: string, size: number) => {
    const level = levelOf(key, size) + 1;
    buckets.delete(key);
    buckets.set(key, { level, at: now() });
    // The oldest: a flood of addresses costs memory for a bounded number of them.
    if (buckets.size > MOST) buckets.delete(buckets.keys().next().value as string);
  };
  const secondsOver = (key: string, size: number) => Math.max(0, Math.ceil(((levelOf(key, size) - size + 1) * limits.everyMs) / size / 1000));
  return {
    delay: (address, name) => Math.max(secondsOver(blockOf(address), limits.perAddress), secondsOver(`${blockOf(address)} ${name}`, limits.perName)),
    add(address, name) {
      raise(blockOf(address), limits.perAddress);
      raise(`${blockOf(address)} ${name.slice(0, 256)}`, limits.perName);
    },
  };
}

/** Of IPv6 a customer has a /64: they count as one. */
function blockOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("%")[0]!.split("::");
  const front = head.split(":").filter(Boolean);
  const back = address.includes("::") ? tail.split(":").filter(Boolean) : [];
  const filled = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back];
  return `${filled.slice(0, 4).join(":")}::/64`;
}
