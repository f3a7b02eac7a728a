/**
 * The command line client: `gantry`, with docker's commands. It speaks the Docker API to an engine (ours, or any
 * other) and knows nothing else of it.
 *
 * A line such as `gantry -H tcp://host ps -a` is read in three steps: main.ts takes the global options and walks the
 * table of commands (commands/commands.ts) to an `Entry`; the entry's module is loaded, and only that one, because
 * start-up time is what users feel; its flags are parsed and `run` is called with the `Cli`.
 *
 *   export const command = define({
 *     flags: { all: bool("a", "Show stopped containers too") },
 *     async run(cli, options, args) { … },
 *   });
 *
 * `run` writes data to `cli.out` and chatter to `cli.err`. It throws a Failure to end with an error; `facts.status`
 * is the exit code when it is not 1.
 */
import type { Api, Line } from "./connect/connect.ts";
import type { Config } from "./connect/config.ts";
import type { Flags, OptionsOf } from "./flags/flags.ts";

/** Where text goes. Writing is synchronous, so that nothing is lost when the process ends. */
export type Output = {
  readonly fd: 1 | 2;
  readonly isTerminal: boolean;
  /** Columns of the terminal, 0 when it is none. */
  readonly columns: number;
  write(data: string | Uint8Array): void;
};

/** The options before the command. */
export type Globals = {
  readonly host: readonly string[];
  readonly context: string;
  readonly config: string;
  readonly debug: boolean;
  readonly logLevel: string;
  readonly tls: boolean;
  readonly tlsverify: boolean | undefined;
  readonly tlscacert: string;
  readonly tlscert: string;
  readonly tlskey: string;
};

export type Cli = {
  readonly globals: Globals;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Output;
  readonly err: Output;
  /** The words that called this command, "gantry container run": for usage lines and errors. */
  readonly path: string;
  /** config.json, read on first use. */
  config(): Config;
  /** The engine, connected to and negotiated with on first use. */
  api(): Promise<Api>;
  /** The same without negotiation, which is a round trip. */
  line(): Promise<Line>;
};

/** The loaded part of a command. The number that `run` returns is the exit code. */
export type Command<F extends Flags = Flags> = {
  readonly flags: F;
  /** False when the first argument ends the options, as for `run`, where the rest belongs to the container. */
  readonly interspersed?: boolean;
  /** True: the line is not read, `run` gets all its words as arguments. */
  readonly raw?: boolean;
  run(cli: Cli, options: OptionsOf<F>, args: readonly string[]): Promise<number | void>;
};

/** A command whose flags are not known by type: what the table loads. */
export type AnyCommand = Omit<Command, "run"> & {
  run(cli: Cli, options: never, args: readonly string[]): Promise<number | void>;
};

/** How many arguments a command takes. */
export type Arity = { readonly min: number; readonly max: number };

/** A command as the table knows it, without loading it. */
export type Entry = {
  readonly name: string;
  /** What follows the command's path in the usage line: "[OPTIONS] CONTAINER". */
  readonly usage: string;
  readonly short: string;
  readonly arity: Arity;
  /** Every path that leads here, for the help page: "container ls", "ps". */
  readonly aliases?: readonly string[];
  readonly hidden?: boolean;
  /** Words that complete its arguments: the first, the second … the last and all behind it. */
  readonly completes?: Completes | readonly Completes[];
  readonly load: () => Promise<{ readonly command: AnyCommand }>;
};

export type Completes = "containers" | "running" | "images" | "volumes" | "networks" | "contexts" | "objects";

export type Group = {
  readonly name: string;
  readonly short: string;
  readonly entries: readonly Entry[];
};

/** Ties the type of `options` to the flags. */
export function define<const F extends Flags>(command: Command<F>): Command<F> {
  return command;
}
