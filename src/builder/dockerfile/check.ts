/** What can be wrong in an instruction before anything is expanded: one entry a keyword. */
import { fail } from "#base/errors.ts";
import { argsOf, pairsOf, transferOf, wordsOf } from "./arguments.ts";
import type { Instruction } from "./dockerfile.ts";
import { parseDevice } from "./devices.ts";
import { checkFlags, flagOf, flagsOf } from "./flags.ts";
import { healthcheckOf, healthcheckWords } from "./healthcheck.ts";
import { mountSource } from "./mount-fields.ts";
import { didYouMean } from "./suggest.ts";

const checks: Readonly<Record<string, (instruction: Instruction) => void>> = {
  ADD: transfer,
  ARG: (instruction) => {
    const pairs = argsOf(instruction);
    if (pairs.length === 0) throw atLeastOne("ARG");
    if (pairs.some(({ key }) => key === "")) throw blankNames("ARG");
  },
  CMD: checkFlags,
  COPY: transfer,
  ENTRYPOINT: checkFlags,
  ENV: pairs,
  EXPOSE: (instruction) => {
    if (wordsOf(instruction).length === 0) throw atLeastOne("EXPOSE");
    checkFlags(instruction);
  },
  FROM: (instruction) => {
    stageNameOf(instruction);
    checkFlags(instruction);
  },
  HEALTHCHECK: (instruction) => {
    if (instruction.text === "") throw atLeastOne("HEALTHCHECK");
    if (healthcheckWords(instruction.text).type.toUpperCase() !== "NONE") checkFlags(instruction);
    healthcheckOf(instruction);
  },
  LABEL: pairs,
  MAINTAINER: single,
  ONBUILD: onbuild,
  RUN: run,
  SHELL: (instruction) => {
    checkFlags(instruction);
    if (instruction.json === undefined ? instruction.text === "" : instruction.json.length === 0) throw atLeastOne("SHELL");
    if (instruction.json === undefined) throw fail("invalid", "SHELL requires the arguments to be in JSON form");
  },
  STOPSIGNAL: ({ keyword, text }) => {
    if (text === "") throw exactlyOne(keyword);
  },
  USER: single,
  VOLUME: (instruction) => {
    const words = wordsOf(instruction);
    if (words.length === 0) throw atLeastOne("VOLUME");
    checkFlags(instruction);
    if (words.some((word) => word.trim() === "")) throw fail("invalid", "VOLUME specified can not be an empty string");
  },
  WORKDIR: single,
};

export const keywords: readonly string[] = Object.keys(checks);

/** @throws invalid, with BuildKit's text */
export function checkInstruction(instruction: Instruction): void {
  const check = Object.hasOwn(checks, instruction.keyword) ? checks[instruction.keyword] : undefined;
  if (check === undefined) throw fail("invalid", `unknown instruction: ${shortened(instruction.written)}${didYouMean(instruction.written, keywords, { exactCase: false })}`);
  check(instruction);
}

/** The stage's name in a FROM, in lower case; "" without one. @throws invalid */
export function stageNameOf(from: Pick<Instruction, "text" | "json">): string {
  const words = wordsOf(from);
  const isNamed = words.length === 3 && words[1]!.toLowerCase() === "as";
  if (!isNamed && words.length !== 1) throw fail("invalid", "FROM requires either one or three arguments");
  const name = isNamed ? words[2]!.toLowerCase() : "";
  if (isNamed && !/^[a-z][a-z0-9\-_.]*$/.test(name)) throw fail("invalid", `invalid name for build stage: ${JSON.stringify(words[2])}, name can't start with a number or contain symbols`);
  return name;
}

function pairs(instruction: Instruction): void {
  checkFlags(instruction);
  const found = pairsOf(instruction);
  if (found.length === 0) throw atLeastOne(instruction.keyword);
  if (found.some(({ key }) => key === "")) throw blankNames(instruction.keyword);
}

function transfer(instruction: Instruction): void {
  const { keyword } = instruction;
  if (wordsOf(instruction).length < 2) {
    throw fail("invalid", `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`);
  }
  checkFlags(instruction);
  transferOf(instruction);
}

function run(instruction: Instruction): void {
  checkFlags(instruction);
  for (const mount of flagsOf(instruction, "mount")) mountSource(mount);
  for (const device of flagsOf(instruction, "device")) parseDevice(device);
  const network = flagOf(instruction, "network") ?? "default";
  if (!["default", "none", "host"].includes(network)) throw fail("invalid", `invalid network mode ${JSON.stringify(network)}`);
  const security = flagOf(instruction, "security") ?? "sandbox";
  if (!["sandbox", "insecure"].includes(security)) throw fail("invalid", `security ${JSON.stringify(security)} is not valid`);
}

function onbuild(instruction: Instruction): void {
  if (instruction.text === "") throw atLeastOne("ONBUILD");
  checkFlags(instruction);
  const trigger = /^\S*/.exec(instruction.text)![0].toUpperCase();
  if (trigger === "ONBUILD") throw fail("invalid", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "MAINTAINER" || trigger === "FROM") throw fail("invalid", `${trigger} isn't allowed as an ONBUILD trigger`);
}

function single(instruction: Instruction): void {
  if (instruction.text === "") throw exactlyOne(instruction.keyword);
  checkFlags(instruction);
}

function atLeastOne(keyword: string): Error {
  return fail("invalid", `${keyword} requires at least one argument`);
}

function exactlyOne(keyword: string): Error {
  return fail("invalid", `${keyword} requires exactly one argument`);
}

function blankNames(keyword: string): Error {
  return fail("invalid", `${keyword} names can not be blank`);
}

function shortened(word: string): string {
  return word.length > 200 ? `${word.slice(0, 200)}…` : word;
}
