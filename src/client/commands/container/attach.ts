import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { bool, text } from "../../flags/kinds.ts";
import { watchExit } from "../../terminal/exit.ts";
import { runSession } from "../../terminal/session.ts";
import { checkInput, followSize, forwardSignals } from "../../terminal/terminal.ts";
import { containerPath } from "../each.ts";

type Inspected = {
  readonly Id: string;
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean };
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
};

export const command = define({
  flags: {
    "detach-keys": text("", "Keys that leave the container running (default ctrl-p,ctrl-q)"),
    "no-stdin": bool("", "Don't attach its input"),
    "sig-proxy": bool("", "Hand signals on to it", true),
  },
  async run(cli, options, [name = ""]) {
    const api = await cli.api();
    const container = await api.json<Inspected>("GET", containerPath(name, "/json"));
    const { State: state, Config: config, Id: id } = container;
    if (!state.Running) throw fail("conflict", "You cannot attach to a stopped container, start it first");
    if (state.Paused) throw fail("conflict", "You cannot attach to a paused container, unpause it first");
    if (state.Restarting) throw fail("conflict", "You cannot attach to a restarting container, wait until it is running");
    const stdin = !options["no-stdin"] && config.OpenStdin;
    checkInput(stdin, config.Tty);
    const detachKeys = options["detach-keys"] || cli.config().detachKeys;
    const undo = options["sig-proxy"] && !config.Tty ? forwardSignals(api, id) : () => {};
    try {
      return await attachTo(cli, api, id, { stdin, tty: config.Tty, detachKeys });
    } finally {
      undo();
    }
  },
});

async function attachTo(cli: Cli, api: Api, id: string, how: { stdin: boolean; tty: boolean; detachKeys: string }): Promise<number> {
  const { stdin, tty, detachKeys } = how;
  const exit = await watchExit(api, id, false, (said) => cli.err.write(said));
  const stream = await api.hijack(`/containers/${id}/attach`, {
    query: { stream: true, stdin, stdout: true, stderr: true, detachKeys },
  });
  const stop = tty ? followSize(api, `/containers/${id}`, { redraw: true }) : () => {};
  try {
    const end = await runSession(cli, stream, { stdin, stdout: true, stderr: true, tty, detachKeys });
    if (end === "detached") throw fail("cancelled", "read escape sequence");
  } finally {
    stop();
  }
  return exit.ended;
}
