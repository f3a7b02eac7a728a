/** An instruction's flags: which there are, what kind each is, and reading them. */
import { fail } from "#base/errors.ts";
import type { Instruction } from "./dockerfile.ts";
import { didYouMean } from "./suggest.ts";

type Kind = "switch" | "value" | "values";

const flagsOfKeyword: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  FROM: { platform: "value" },
  RUN: { mount: "values", network: "value", security: "value", device: "values" },
  COPY: { from: "value", chown: "value", chmod: "value", link: "switch", parents: "switch", exclude: "values" },
  ADD: { chown: "value", chmod: "value", link: "switch", "keep-git-dir": "switch", checksum: "value", unpack: "switch", exclude: "values" },
  HEALTHCHECK: { interval: "value", timeout: "value", "start-period": "value", "start-interval": "value", retries: "value" },
};

/** The value of a flag that can be given once, undefined without it. Unexpanded. */
export function flagOf(instruction: Instruction, name: string): string | undefined {
  return instruction.flags.find((flag) => flag.name === name)?.value;
}

/** The values of a flag that can be given several times. */
export function flagsOf(instruction: Instruction, name: string): string[] {
  return instruction.flags.flatMap((flag) => (flag.name === name ? [flag.value ?? ""] : []));
}

/** What a switch says, undefined without it: "--link" and "--link=true" are true. */
export function isSet(instruction: Instruction, name: string): boolean | undefined {
  const flag = instruction.flags.find((one) => one.name === name);
  return flag === undefined ? undefined : (flag.value ?? "true").toLowerCase() === "true";
}

/** @throws invalid */
export function checkFlags({ keyword, flags }: Pick<Instruction, "keyword" | "flags">): void {
  const known = flagsOfKeyword[keyword] ?? {};
  const seen = new Set<string>();
  for (const { name, value } of flags) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw fail("invalid", `unknown flag: --${name}${didYouMean(name, Object.keys(known), { exactCase: true })}`);
    if (seen.has(name) && kind !== "values") throw fail("invalid", `duplicate flag specified: --${name}`);
    seen.add(name);
    if (kind === "switch" ? value === "" : value === undefined) throw fail("invalid", `missing a value on flag: --${name}`);
    if (kind === "switch" && !/^(true|false)$/i.test(value ?? "true")) throw fail("invalid", `expecting boolean value for flag --${name}, not: ${value}`);
  }
}
