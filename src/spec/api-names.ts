/** Names of the kernel's that clients of the API use: capabilities, resource limits, signals. */

export const CAPABILITIES: ReadonlySet<string> = new Set(
  (
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER " +
    "FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE " +
    "NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE " +
    "SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
  )
    .split(" ")
    .map((name) => `CAP_${name}`),
);

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
