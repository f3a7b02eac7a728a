/** `run`: create, attach, start, and stay until the container ends, with its exit code. */
import { type Failure, fail, messageOf } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import type { OptionsOf } from "../../flags/flags.ts";
import { bool, text } from "../../flags/kinds.ts";
import { containerFlags, creationFlags } from "../../request/flags.ts";
import type { CreateBody } from "../../request/request.ts";
import { watchExit } from "../../terminal/exit.ts";
import { runSession, type SessionOptions } from "../../terminal/session.ts";
import { checkInput, followSize, forwardSignals } from "../../terminal/terminal.ts";
import { createContainer, prepareCreate, printPlan, withHint } from "./creation.ts";

const flags = {
  ...containerFlags,
  ...creationFlags,
  detach: bool("d", "Leave it running in the background and print its id"),
  "detach-keys": text("", "Keys that leave a container running (default ctrl-p,ctrl-q)"),
  "sig-proxy": bool("", "Hand signals on to it", true),
} as const;
type RunOptions = OptionsOf<typeof flags>;

export const command = define({
  flags,
  interspersed: false,
  async run(cli, options, args) {
    try {
      return await run(cli, options, args);
    } catch (error) {
      throw withHint(error, cli.path);
    }
  },
});

async function run(cli: Cli, options: RunOptions, args: readonly string[]): Promise<number | void> {
  const api = await cli.api();
  const body = prepareCreate(cli, options, args, api.address);
  if (options["dry-run"]) return await printPlan(cli, api, options, body);
  if (options.detach) detachBody(body, options.attach);
  else checkInput(body.AttachStdin, body.Tty);
  const id = await createContainer(cli, api, options, body, { startsAtOnce: true });
  const undo: (() => void)[] = [];
  const running = Promise.withResolvers<void>();
  try {
    if (!options.detach) undo.push(forwardSignals(api, id, { forward: options["sig-proxy"], running: running.promise }));
    return await start(cli, api, id, {
      body,
      detach: options.detach,
      attaches: !options.detach && (body.AttachStdin || body.AttachStdout || body.AttachStderr),
      detachKeys: options["detach-keys"] || cli.config().detachKeys,
      undo,
      running: running.resolve,
    });
  } finally {
    for (const each of undo) each();
  }
}

type Start = {
  readonly body: CreateBody;
  readonly detach: boolean;
  readonly attaches: boolean;
  readonly detachKeys: string;
  readonly undo: (() => void)[];
  /** Told when it runs. */
  readonly running: () => void;
};

async function start(cli: Cli, api: Api, id: string, how: Start): Promise<number | void> {
  const { body, attaches } = how;
  const session = attaches ? await attach(cli, api, id, how) : undefined;
  const exit = how.detach ? undefined : await watchExit(api, id, body.HostConfig.AutoRemove, (said) => cli.err.write(said));
  try {
    await api.text("POST", `/containers/${id}/start`);
  } catch (error) {
    session?.cancel();
    // With --rm the engine removes what could not be started: it is gone when we say so.
    if (body.HostConfig.AutoRemove) await exit?.ended;
    throw startFailure(error);
  }
  how.running();
  if (exit === undefined) {
    cli.out.write(`${id}\n`);
    return;
  }
  if (session === undefined) {
    cli.out.write(`${id}\n`);
    return exit.ended;
  }
  if (body.Tty) how.undo.push(followSize(api, `/containers/${id}`));
  if ((await session.done()) === "detached") return 0;
  return exit.ended;
}

type Session = { done(): Promise<"ended" | "detached">; cancel(): void };

/** Attached before the start, so that not a byte is missed; the terminal is taken over only when it runs. */
async function attach(cli: Cli, api: Api, id: string, { body, detachKeys }: Start): Promise<Session> {
  const streams = { stdin: body.AttachStdin, stdout: body.AttachStdout, stderr: body.AttachStderr };
  const stream = await api.hijack(`/containers/${id}/attach`, { query: { stream: true, ...streams, detachKeys } });
  const options: SessionOptions = { ...streams, tty: body.Tty, detachKeys };
  return { done: () => runSession(cli, stream, options), cancel: () => stream.destroy() };
}

function detachBody(body: CreateBody, attach: readonly string[]): void {
  if (attach.length > 0) throw fail("invalid", "conflicting options: cannot specify both --attach and --detach", { facts: { bare: true } });
  body.AttachStdin = false;
  body.AttachStdout = false;
  body.AttachStderr = false;
  body.StdinOnce = false;
}

/**
 * The exit code of a container that could not be started, as docker's client finds it: from the text, since the API
 * has no field for it.
 */
export function startFailure(error: unknown): Failure {
  const message = messageOf(error);
  let status = 125;
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message)) status = 127;
  else if (/permission denied|is a directory/.test(message)) status = 126;
  return fail("invalid", message, { cause: error, facts: { status } });
}
