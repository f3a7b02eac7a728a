/** Names of the kernel's that clients of the API use: capabilities, resource limits, signals. */
import { CAPABILITIES as NUMBERED_CAPABILITIES } from "./capabilities.ts";

export const CAPABILITIES: ReadonlySet<string> = new Set(NUMBERED_CAPABILITIES);

export const ULIMITS: ReadonlySet<string> = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

const NUMBERED =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU " +
  "XFSZ VTALRM PROF WINCH IO PWR SYS";

/** Numbers by name without "SIG", as on every architecture Gantry runs on. */
const SIGNALS: ReadonlyMap<string, number> = new Map([
  ...NUMBERED.split(" ").map((name, i) => [name, i + 1] as const),
  ...([["IOT", 6], ["CLD", 17], ["POLL", 29], ["RTMIN", 34], ["RTMAX", 64]] as const),
  ...Array.from({ length: 15 }, (_, i) => [`RTMIN+${i + 1}`, 35 + i] as const),
  ...Array.from({ length: 14 }, (_, i) => [`RTMAX-${i + 1}`, 63 - i] as const),
]);

/** "TERM", "SIGTERM", "sigterm" or "15"; undefined for what is no signal. */
export function signalNumber(name: string): number | undefined {
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    return number >= 1 && number <= 64 ? number : undefined;
  }
  return SIGNALS.get(name.toUpperCase().replace(/^SIG/, ""));
}
