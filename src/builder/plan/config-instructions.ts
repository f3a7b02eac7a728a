/** Instructions that only say something about the image: no step, an entry in its history. */
import { fail } from "#base/errors.ts";
import { signalNumber } from "#spec/api-names.ts";
import { quote } from "#spec/go-template-quote.ts";
import { argsOf, commandOf, pairsOf, wordsOf } from "../dockerfile/arguments.ts";
import { healthcheckOf } from "../dockerfile/healthcheck.ts";
import { exposedPorts } from "./ports.ts";
import { givenArg, isBuilders } from "./global-args.ts";
import { type ImageState, note, putInto, setEnv, setVariable } from "./image-state.ts";
import { expand, type Scene, split } from "./scene.ts";

export const CONFIG_INSTRUCTIONS: Readonly<Record<string, (scene: Scene) => void>> = {
  ARG: arg,
  CMD: cmd,
  ENTRYPOINT: entrypoint,
  ENV: env,
  EXPOSE: expose,
  HEALTHCHECK: healthcheck,
  LABEL: label,
  MAINTAINER: maintainer,
  ONBUILD: onBuild,
  SHELL: shell,
  STOPSIGNAL: stopSignal,
  USER: user,
  VOLUME: volume,
};

function tell({ state, scope, instruction }: Scene, createdBy: string): void {
  scope.steps.spend(createdBy.length);
  note(state, createdBy, { instruction: instruction.original });
}

/** Given on the command line, else its default, else the global one. Without any it is declared, and not set. */
function arg(scene: Scene): void {
  const { state, scope, instruction } = scene;
  const told: string[] = [];
  for (const { key, value: written } of argsOf(instruction)) {
    const given = givenArg(scope.buildArgs, key);
    if (Object.hasOwn(scope.buildArgs, key)) scope.taken.add(key);
    const value = given ?? (written === undefined ? scope.args.get(key) : expand(scene)(written));
    if (value !== undefined && !NOT_VARIABLES.has(key)) setVariable(state, key, value);
    state.args.set(key, value);
    told.push(value === undefined ? key : `${key}=${value}`);
  }
  tell(scene, `ARG ${told.join(" ")}`);
}

/** They speak to the builder, not to the command. */
const NOT_VARIABLES: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** Of the arguments of the command line, those that nothing took and that mean nothing by themselves. */
export function unusedArgs(buildArgs: Readonly<Record<string, string | undefined>>, taken: ReadonlySet<string>): string[] {
  return Object.keys(buildArgs).filter((key) => !taken.has(key) && !isBuilders(key)).toSorted();
}

function env(scene: Scene): void {
  const pairs = expandedPairs(scene);
  for (const [key, value] of pairs) setEnv(scene.state, key, value);
  tell(scene, `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`);
}

function label(scene: Scene): void {
  const pairs = expandedPairs(scene);
  putInto(scene.state, "Labels", pairs);
  tell(scene, `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`);
}

/** All of one instruction see the variables as they were before it. */
function expandedPairs(scene: Scene): [string, string][] {
  const { keyword } = scene.instruction;
  const pairs = pairsOf(scene.instruction);
  if (pairs.length === 0) throw fail("invalid", `${keyword} requires at least one argument`);
  return pairs.map(({ key, value }) => {
    if (key === "") throw fail("invalid", `${keyword} names can not be blank`);
    return [expand(scene)(key), expand(scene)(value)];
  });
}

function cmd(scene: Scene): void {
  const args = commandArgs(scene);
  scene.state.config["Cmd"] = args;
  scene.state.config["ArgsEscaped"] = true;
  scene.progress.commandSet = true;
  tell(scene, `CMD ${goList(args.map(quote))}`);
}

/** A CMD of the base is none of this entry point's. */
function entrypoint(scene: Scene): void {
  const args = commandArgs(scene);
  scene.state.config["Entrypoint"] = args;
  if (!scene.progress.commandSet) delete scene.state.config["Cmd"];
  tell(scene, `ENTRYPOINT ${goList(args.map(quote))}`);
}

function commandArgs({ instruction, state }: Scene): readonly string[] {
  const { args, shell } = commandOf(instruction);
  return shell ? withShell(state, args.join(" ")) : args;
}

export function withShell({ config, platform }: ImageState, text: string): string[] {
  const own = config["Shell"] as string[] | undefined;
  return [...(own ?? (platform.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"])), text];
}

function expose(scene: Scene): void {
  const words = [...wordsOf(scene.instruction)].toSorted((a, b) => (a < b ? -1 : 1));
  const ports: string[] = [];
  for (const word of words.flatMap(split(scene))) {
    const some = exposedPorts(word);
    // A range is a short word for many.
    scene.scope.steps.spend(some.length * PORT);
    for (const port of some) ports.push(port);
  }
  putInto(scene.state, "ExposedPorts", ports.map((port) => [port, {}]));
  tell(scene, `EXPOSE ${goList(ports)}`);
}

/** Bytes of a port's entry. */
const PORT = 64;

function healthcheck(scene: Scene): void {
  const check = healthcheckOf(scene.instruction);
  scene.state.config["Healthcheck"] = check;
  const { Interval = 0, Timeout = 0, StartPeriod = 0, StartInterval = 0, Retries = 0 } = check;
  const times = [Interval, Timeout, StartPeriod, StartInterval].map((value) => JSON.stringify(goDuration(value)));
  tell(scene, `HEALTHCHECK &{${goList(check.Test.map(quote))} ${times.join(" ")} ${goRune(Retries)}}`);
}

function maintainer(scene: Scene): void {
  scene.state.author = scene.instruction.text;
  tell(scene, `MAINTAINER ${scene.instruction.text}`);
}

/** Kept as text; BuildKit writes no history of it. */
function onBuild(scene: Scene): void {
  const { state, scope, instruction } = scene;
  const heredocs = instruction.heredocs.map(({ name, content }) => `\n${content}${name}`).join("");
  ((state.config["OnBuild"] ??= []) as string[]).push(instruction.text + heredocs);
  if (scope.input.request.classic === true) tell(scene, `ONBUILD ${instruction.text}`);
}

function shell(scene: Scene): void {
  const { args } = commandOf(scene.instruction);
  scene.state.config["Shell"] = args;
  tell(scene, `SHELL ${goList(args)}`);
}

function stopSignal(scene: Scene): void {
  const signal = expand(scene)(scene.instruction.text);
  if (signalNumber(signal) === undefined) throw fail("invalid", `invalid signal: ${signal}`);
  scene.state.config["StopSignal"] = signal;
  tell(scene, `STOPSIGNAL ${signal}`);
}

function user(scene: Scene): void {
  const name = expand(scene)(scene.instruction.text);
  scene.state.config["User"] = name;
  tell(scene, `USER ${name}`);
}

function volume(scene: Scene): void {
  const paths = wordsOf(scene.instruction).map((word) => expand(scene)(word.trim()));
  if (paths.some((path) => path === "")) throw fail("invalid", "VOLUME specified can not be an empty string");
  putInto(scene.state, "Volumes", paths.map((path) => [path, {}]));
  tell(scene, `VOLUME ${goList(paths)}`);
}

const goList = (items: readonly string[]): string => `[${items.join(" ")}]`;

/** As Go quotes a number: '\x03'. */
function goRune(value: number): string {
  const text = quote(String.fromCodePoint(value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? 0xfffd : value)).slice(1, -1);
  return text === '\\"' ? `'"'` : text === "'" ? "'\\''" : `'${text}'`;
}

/** As Go writes a length of time: "1h0m5s", "1m30s", "1.5s", "250ms". */
function goDuration(nanos: number): string {
  if (nanos === 0) return "0s";
  if (nanos < 1e9) return nanos >= 1e6 ? `${nanos / 1e6}ms` : nanos >= 1e3 ? `${nanos / 1e3}µs` : `${nanos}ns`;
  const seconds = nanos / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${(seconds % 60).toFixed(9).replace(/\.?0+$/, "")}s`;
}
