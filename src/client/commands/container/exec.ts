import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { bool, list, text } from "../../flags/kinds.ts";
import { checkEnv } from "../../request/checks.ts";
import { readVariables } from "../../request/variables.ts";
import { runSession } from "../../terminal/session.ts";
import { checkInput, followSize, terminalSize } from "../../terminal/terminal.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: {
    detach: bool("d", "Leave it running in the background"),
    "detach-keys": text("", "Keys that leave the command running (default ctrl-p,ctrl-q)"),
    env: list("e", "Set an environment variable", { parse: checkEnv }),
    "env-file": list("", "Read environment variables from a file"),
    interactive: bool("i", "Keep its input open, even when not attached"),
    privileged: bool("", "Give the command all the host's privileges"),
    tty: bool("t", "Give it a terminal"),
    user: text("u", "User it runs as (<name|uid>[:<group|gid>])"),
    workdir: text("w", "Folder it starts in"),
  },
  interspersed: false,
  async run(cli, options, [name = "", ...words]) {
    const env = readVariables(options["env-file"], options.env, cli.env);
    const detachKeys = options["detach-keys"] || cli.config().detachKeys;
    const attaches = !options.detach;
    const size = options.tty ? terminalSize() : undefined;
    const config = {
      User: options.user,
      Privileged: options.privileged,
      Tty: options.tty,
      ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
      AttachStdin: attaches && options.interactive,
      AttachStderr: attaches,
      AttachStdout: attaches,
      DetachKeys: detachKeys,
      Env: env.length === 0 ? null : env,
      WorkingDir: options.workdir,
      Cmd: words,
    };
    const api = await cli.api();
    if (attaches) checkInput(config.AttachStdin, config.Tty);
    const { Id: id } = await api.json<{ Id: string }>("POST", containerPath(name, "/exec"), { json: config });
    if (!id) throw fail("internal", "exec ID empty");
    if (!attaches) {
      await api.text("POST", `/exec/${id}/start`, { json: { Detach: true, Tty: options.tty } });
      return;
    }
    return runAttached(cli, api, id, { stdin: config.AttachStdin, tty: options.tty, detachKeys, size });
  },
});

type Attached = { stdin: boolean; tty: boolean; detachKeys: string; size: ReturnType<typeof terminalSize> };

async function runAttached(cli: Cli, api: Api, id: string, how: Attached): Promise<number> {
  const { stdin, tty, detachKeys, size } = how;
  const stream = await api.hijack(`/exec/${id}/start`, {
    json: { Detach: false, Tty: tty, ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }) },
  });
  const stop = tty && stdin ? followSize(api, `/exec/${id}`) : () => {};
  try {
    const end = await runSession(cli, stream, { stdin, stdout: true, stderr: true, tty, detachKeys });
    if (end === "detached") throw fail("cancelled", "read escape sequence");
  } finally {
    stop();
  }
  const { ExitCode: code } = await api.json<{ ExitCode: number | null }>("GET", `/exec/${id}/json`);
  return code ?? 0;
}
