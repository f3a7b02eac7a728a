/** `gantry registry user`: accounts in a password file. A running registry reads the file again by itself. */
import { parseArgs } from "node:util";
import { fail, messageOf } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { runUserCommand, type UserCommand } from "#registry/access/user-command.ts";

const HELP = `Usage: gantry registry user add NAME --htpasswd FILE [--password-stdin]
       gantry registry user rm NAME --htpasswd FILE
       gantry registry user ls --htpasswd FILE
`;

export async function changeUsers(argv: readonly string[]): Promise<number> {
  const command = await parseCommand(argv);
  process.stdout.write(command === undefined ? HELP : await runUserCommand(command));
  return command === undefined ? 2 : 0;
}

async function parseCommand(argv: readonly string[]): Promise<UserCommand | undefined> {
  const { values, positionals } = parse(argv);
  const [verb, name, ...more] = positionals;
  const file = values.htpasswd;
  if (more.length > 0) return undefined;
  if (verb === "ls" && name === undefined) return { verb, file: needed(file) };
  if (name === undefined) return undefined;
  if (verb === "rm") return { verb, name, file: needed(file) };
  if (verb === "add") return { verb, name, file: needed(file), password: await readPassword(values["password-stdin"] === true) };
  return undefined;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: { htpasswd: { type: "string" }, "password-stdin": { type: "boolean" } }, allowPositionals: true });
  } catch (error) {
    throw fail("invalid", messageOf(error).split(". ")[0]!, { cause: error });
  }
}

function needed(file: string | undefined): string {
  if (file === undefined) throw fail("invalid", "--htpasswd FILE is needed");
  return file;
}

/** Never as an argument: everybody on a machine sees those. */
async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin || !process.stdin.isTTY) return (await collect(process.stdin as AsyncIterable<Buffer>, 4096, "the password")).toString().replace(/\r?\n$/, "");
  const [first, second] = [await ask("Password: "), await ask("Again: ")];
  if (first !== second) throw fail("invalid", "the two passwords are not the same");
  return first;
}

/** Without showing what is typed. */
async function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  let typed = "";
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const sign of String(chunk)) {
        if (sign === "\r" || sign === "\n") return typed;
        if (sign === "\u0003" || sign === "\u0004") throw fail("cancelled", "no password was given");
        typed = sign === "\u007f" || sign === "\b" ? typed.slice(0, -1) : typed + sign;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
