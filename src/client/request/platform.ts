import { fail, messageOf } from "#base/errors.ts";
import { formatPlatform, parsePlatform } from "#spec/platform.ts";

const SYSTEMS = "aix android darwin dragonfly freebsd illumos ios js linux macos netbsd openbsd plan9 solaris wasip1 windows zos";
const MACHINES =
  "386 aarch64 amd64 arm arm64 armbe armel armhf i386 loong64 mips mips64 mips64le mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm x86-64 x86_64";
const KNOWN = new Set(`${SYSTEMS} ${MACHINES}`.split(" "));

/** `--platform` of a container. */
export function readPlatform(text: string): string {
  try {
    return spellPlatform(text);
  } catch (error) {
    throw fail("invalid", `error parsing specified platform: ${messageOf(error)}`, { cause: error });
  }
}

/** In the one spelling the API takes. One word alone must be one we know. @throws invalid */
export function spellPlatform(text: string): string {
  const wrong = (reason: string) => fail("invalid", `${JSON.stringify(text)}: ${reason}: invalid argument`);
  const parts = text.split("/");
  if (parts.length > 3) throw wrong("cannot parse platform specifier");
  if (parts.length === 1 && !KNOWN.has(text.toLowerCase())) throw wrong("unknown operating system or architecture");
  return formatPlatform(parsePlatform(text));
}
