/** Asks for user name and password on the terminal. */
import { readSync } from "node:fs";
import { fail } from "#base/errors.ts";
import type { Cli } from "../../client.ts";
import type { Credentials } from "../../credentials/credentials.ts";
import { stdinIsTerminal } from "../../terminal/terminal.ts";

export function askCredentials(cli: Cli, known: { server: string; username: string; password: string }): Credentials {
  if (!stdinIsTerminal()) throw fail("invalid", "Error: Cannot perform an interactive login from a non TTY device");
  const username = known.username || ask(cli, "Username: ").trim();
  if (username === "") throw fail("invalid", "Error: Non-null Username Required");
  const password = known.password || askHidden(cli, "Password: ");
  if (password === "") throw fail("invalid", "Error: Password Required");
  return { username, password };
}

function askHidden(cli: Cli, question: string): string {
  stty("-echo");
  const restore = () => stty("echo");
  process.once("exit", restore);
  try {
    return ask(cli, question);
  } finally {
    process.off("exit", restore);
    restore();
    cli.out.write("\n");
  }
}

function stty(word: string): void {
  process.getBuiltinModule("node:child_process").spawnSync("stty", [word], { stdio: ["inherit", "ignore", "ignore"] });
}

function ask(cli: Cli, question: string): string {
  cli.out.write(question);
  const bytes: number[] = [];
  const byte = Buffer.alloc(1);
  while (readSync(0, byte) === 1 && byte[0] !== 10) bytes.push(byte[0]!);
  return Buffer.from(bytes).toString("utf8").replace(/\r$/, "");
}
