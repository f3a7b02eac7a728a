/** Platforms: what an image is made for, and which of several fits a host. */
import { fail } from "#base/errors.ts";

export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
};

/** "linux/arm64/v8", "linux/amd64", "arm64" (of Linux), "linux" (of this machine's architecture). One word alone must be one we know. @throws invalid */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split("/");
  if (parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) throw fail("invalid", `"${text}": invalid platform: expected os/architecture[/variant]`);
  if (parts.length > 3) throw fail("invalid", `"${text}": cannot parse platform specifier: invalid argument`);
  const [first = "", second, third] = parts;
  if (second !== undefined) return normalizePlatform({ os: first, architecture: second, ...(third && { variant: third }) });
  const word = first.toLowerCase();
  if (SYSTEMS.has(word)) return normalizePlatform({ ...host, os: first });
  if (!MACHINES.has(word)) throw fail("invalid", `"${text}": unknown operating system or architecture: invalid argument`);
  return normalizePlatform({ os: "linux", architecture: first });
}

const SYSTEMS = new Set("aix android darwin dragonfly freebsd illumos ios js linux macos netbsd openbsd plan9 solaris wasip1 windows zos".split(" "));
const MACHINES = new Set(
  "386 aarch64 amd64 arm arm64 armbe armel armhf i386 i686 loong64 mips mips64 mips64le mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm x86-64 x86_64".split(" "),
);

/** One spelling for each machine: x86_64 is amd64, aarch64 is arm64, arm64/v8 is arm64, arm is arm/v7. */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  const { architecture, variant } = normalizeMachine(platform.architecture.toLowerCase(), (platform.variant ?? "").toLowerCase());
  const version = platform["os.version"];
  return { os, architecture, ...(variant && { variant }), ...(version && { "os.version": version }) };
}

function normalizeMachine(architecture: string, variant: string): { architecture: string; variant: string } {
  switch (architecture) {
    case "i386":
    case "i686":
      return { architecture: "386", variant: "" };
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { architecture: "amd64", variant: variant === "v1" ? "" : variant };
    case "aarch64":
    case "arm64":
      return { architecture: "arm64", variant: variant === "8" || variant === "v8" ? "" : variant };
    case "armhf":
      return { architecture: "arm", variant: "v7" };
    case "armel":
      return { architecture: "arm", variant: "v6" };
    case "arm":
      return { architecture: "arm", variant: variant === "" || variant === "7" ? "v7" : /^[568]$/.test(variant) ? `v${variant}` : variant };
    default:
      return { architecture, variant };
  }
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined && part !== "").join("/");
}

export function hostPlatform(): Platform {
  const machine = { x64: "amd64", arm64: "arm64", ia32: "386", arm: "arm" } as Record<string, string>;
  return normalizePlatform({ os: "linux", architecture: machine[process.arch] ?? process.arch });
}

/** True if an image for `have` is exactly what was asked for. */
export function platformEquals(want: Platform, have: Platform): boolean {
  const a = normalizePlatform(want);
  const b = normalizePlatform(have);
  return a.os === b.os && a.architecture === b.architecture && (a.variant ?? "") === (b.variant ?? "");
}

/**
 * How well a machine of platform `host` runs an image for `have`: 0 not at all, greater is better. An older variant of the
 * same architecture runs (arm/v6 on v7, amd64 on amd64/v3), and 32 bit where the machine has it.
 */
export function platformFit(host: Platform, have: Platform): number {
  const machine = normalizePlatform(host);
  const image = normalizePlatform(have);
  if (machine.os !== image.os) return 0;
  if (machine.architecture === image.architecture) {
    const distance = level(machine) - level(image);
    return distance < 0 ? 0 : 100 - distance;
  }
  if (machine.architecture === "amd64" && image.architecture === "386") return 10;
  if (machine.architecture === "arm64" && image.architecture === "arm") return 10 + Math.min(level(image), 8);
  return 0;
}

const FIRST: Record<string, number> = { amd64: 1, arm64: 8, arm: 7 };
const level = ({ architecture, variant }: Platform): number =>
  variant === undefined ? (FIRST[architecture] ?? 0) : Number(/^v(\d+)/.exec(variant)?.[1] ?? FIRST[architecture] ?? 0);
