import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import type { SolveResponse } from "../../build/build.ts";
import { sourceText } from "../../build/failure.ts";
import { type Display, openDisplay, parseMode, type ProgressMode } from "../../build/progress/display.ts";
import { solve, type Status } from "../../build/solve.ts";
import { readWish, type Wish } from "../../build/wish/wish.ts";
import { type Cli, define } from "../../client.ts";
import { escapeControls } from "../../terminal/escape-controls.ts";
import { buildFlags, type BuildOptions, WITHOUT_EFFECT } from "./flags.ts";
import { prepareFiles } from "./result-files.ts";
import { finish } from "./results.ts";
import { tellWarnings } from "./warnings.ts";

export const command = define({
  flags: buildFlags,
  async run(cli, options, [context = ""]) {
    try {
      return await build(cli, options, context);
    } catch (error) {
      throw told(error);
    }
  },
});

async function build(cli: Cli, options: BuildOptions, context: string): Promise<number> {
  const mode = modeOf(cli, options);
  for (const name of WITHOUT_EFFECT) if (options.given.has(name)) cli.err.write(`WARNING: --${name} has no effect on this kind of build; the classic one knows it (DOCKER_BUILDKIT=0 docker build)\n`);
  const connect = async () => (await cli.line()).address;
  const wish = await readWish(cli, options, { context, connect });
  prepareFiles(options);
  const stop = new AbortController();
  const release = cancelOnSignals(stop);
  // What is asked of a Dockerfile is answered at once, and the answer is all there is to say.
  const display = openDisplay(cli, wish.question === undefined ? mode : "quiet", { title: titleOf(await connect()) });
  try {
    const response = await shown(cli, wish, { display, stop, options, mode });
    return await finish(cli, options, { wish, response, mode, warnings: display.warnings });
  } finally {
    release();
  }
}

type Showing = { readonly display: Display; readonly stop: AbortController; readonly options: BuildOptions; readonly mode: ProgressMode };

async function shown(cli: Cli, wish: Wish, { display, stop, options, mode }: Showing): Promise<SolveResponse> {
  const debugging = options["debug-on-fail"] ? (await import("../../build/attach/debug.ts")).openDebugging(cli, (failure) => (endFailed(), showFailure(cli, failure))) : undefined;
  let isTold = false;
  const endFailed = () => {
    display.end();
    if (!isTold) tellWarnings(cli, { mode, warnings: display.warnings });
    isTold = true;
  };
  const onStatus = (status: Status) => {
    display.update(status);
    debugging?.onStatus(status);
  };
  try {
    return await solve(cli, wish.solve, { signal: stop.signal, sharedKey: wish.sharedKey, onStatus, ...(debugging && { more: debugging.methods }) });
  } catch (error) {
    endFailed();
    throw debugging === undefined ? error : debugging.after(error);
  } finally {
    display.end();
  }
}

/** As main would, for the build goes on in a shell. */
function showFailure({ err }: Cli, failure: Failure): void {
  const { message } = told(failure);
  err.write(`${err.isTerminal ? escapeControls(message) : message}\n`);
}

function modeOf(cli: Cli, options: BuildOptions): ProgressMode {
  const text = options.given.has("progress") ? options.progress : cli.env["BUILDKIT_PROGRESS"] || options.progress;
  const mode = parseMode(text);
  if (!options.quiet) return mode;
  if (mode !== "auto" && mode !== "quiet" && options.given.has("progress")) throw fail("invalid", `progress=${options.progress} and quiet cannot be used together`);
  return "quiet";
}

/** What the progress is headed with on a terminal: which engine. */
const titleOf = (address: string): string => address.replace(/^unix:\/\/(?:\/run|\/var\/run)\//, "");

/** The first signal cancels the build, which ends what runs; whoever insists does not wait for that. */
function cancelOnSignals(stop: AbortController): () => void {
  const listener = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(codeOf(signal));
    stop.abort(fail("cancelled", "context canceled", { facts: { status: codeOf(signal) } }));
  };
  process.on("SIGINT", listener).on("SIGTERM", listener);
  return () => void process.off("SIGINT", listener).off("SIGTERM", listener);
}

const codeOf = (signal: NodeJS.Signals): number => (signal === "SIGINT" ? 130 : 143);

/** As docker's clients say it: the Dockerfile's lines, and one line that begins with ERROR. */
function told<T>(error: T): T | Failure {
  if (!(error instanceof Failure) || error.facts["bare"] === true) return error;
  const isCanceled = kindOf(error) === "cancelled";
  const where = isCanceled || error.facts["grpcCode"] !== undefined ? `failed to build: failed to solve: ${isCanceled ? "Canceled: " : ""}` : "";
  const status = isCanceled ? { status: 130 } : {};
  return fail(error.kind, `${sourceText(error)}ERROR: ${where}${messageOf(error)}`, { cause: error, facts: { ...error.facts, ...status } });
}
