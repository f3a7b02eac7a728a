/** `gantry registry`: the registry server as a process, its collection and its accounts from the command line. */
import { messageOf } from "#base/errors.ts";

const HELP = `Usage: gantry registry COMMAND

  serve --listen HOST:PORT --root DIR   serve a registry
  gc --root DIR [--dry-run]             take away what nothing needs; while servers run, too
  user add|rm NAME --htpasswd FILE      accounts in a password file
  user ls --htpasswd FILE
`;

await main(process.argv.slice(2));

async function main([verb = "help", ...rest]: string[]): Promise<void> {
  try {
    process.exitCode = await perform(verb, rest);
  } catch (error) {
    process.stderr.write(`gantry registry: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

async function perform(verb: string, rest: readonly string[]): Promise<number> {
  // Flags alone: who asks for the program by its own name means to start it.
  if (verb.startsWith("--") && verb !== "--help") return await perform("serve", [verb, ...rest]);
  if (verb === "help" || verb === "--help" || verb === "-h") return await help();
  if (rest.includes("--help") || rest.includes("-h")) return await help();
  if (verb === "serve") return await (await import("./registry-serve.ts")).serve(rest);
  if (verb === "gc") return await (await import("./registry-gc.ts")).collectNow(rest);
  if (verb === "user") return await (await import("./registry-user.ts")).changeUsers(rest);
  process.stderr.write(`gantry registry: there is no command ${JSON.stringify(verb)}\n\n${HELP}`);
  return 2;
}

async function help(): Promise<number> {
  const { flagsHelp } = await import("#registry/config/flags.ts");
  process.stdout.write(`${HELP}\nSettings, as flags or in the file:\n${flagsHelp()}\n`);
  return 0;
}
