import { fail, messageOf } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { bool, hidden, text } from "../../flags/kinds.ts";
import { watchExit } from "../../terminal/exit.ts";
import { runSession } from "../../terminal/session.ts";
import { checkInput, followSize, forwardSignals } from "../../terminal/terminal.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: {
    attach: bool("a", "Attach its outputs and hand signals on to it"),
    checkpoint: hidden(text("", "Start from this checkpoint")),
    "checkpoint-dir": hidden(text("", "Where checkpoints are")),
    "detach-keys": text("", "Keys that leave the container running (default ctrl-p,ctrl-q)"),
    interactive: bool("i", "Attach its input"),
  },
  async run(cli, options, names) {
    const attaches = options.attach || options.interactive;
    if (attaches && names.length > 1) throw fail("invalid", "you cannot start and attach multiple containers at once");
    const api = await cli.api();
    const query = { checkpoint: options.checkpoint, "checkpoint-dir": options["checkpoint-dir"] };
    if (attaches) return startAttached(cli, api, names[0]!, { ...options, query });
    const failed: string[] = [];
    for (const name of names) {
      try {
        await api.text("POST", containerPath(name, "/start"), { query });
        cli.out.write(`${name}\n`);
      } catch (error) {
        cli.err.write(`${messageOf(error)}\n`);
        failed.push(name);
      }
    }
    if (failed.length > 0) throw fail("internal", `Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
});

type Inspected = {
  readonly Id: string;
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
  readonly HostConfig: { readonly AutoRemove: boolean };
};

type Attached = { readonly interactive: boolean; readonly "detach-keys": string; readonly query: Record<string, string> };

async function startAttached(cli: Cli, api: Api, name: string, options: Attached): Promise<number> {
  const { Id: id, Config: config, HostConfig: host } = await api.json<Inspected>("GET", containerPath(name, "/json"));
  const stdin = options.interactive && config.OpenStdin;
  const detachKeys = options["detach-keys"] || cli.config().detachKeys;
  checkInput(stdin, config.Tty);
  const undo = [config.Tty ? () => {} : forwardSignals(api, id)];
  try {
    const stream = await api.hijack(`/containers/${id}/attach`, { query: { stream: true, stdin, stdout: true, stderr: true, detachKeys } });
    const exit = await watchExit(api, id, host.AutoRemove, (said) => cli.err.write(said));
    try {
      await api.text("POST", `/containers/${id}/start`, { query: options.query });
    } catch (error) {
      stream.destroy();
      if (host.AutoRemove) await exit.ended;
      throw error;
    }
    if (config.Tty) undo.push(followSize(api, `/containers/${id}`));
    const end = await runSession(cli, stream, { stdin, stdout: true, stderr: true, tty: config.Tty, detachKeys });
    return end === "detached" ? 0 : await exit.ended;
  } finally {
    for (const each of undo) each();
  }
}
