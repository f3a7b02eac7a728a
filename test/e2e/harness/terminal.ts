/**
 * A pseudo terminal around a command. Node has none, so `script` (of util-linux, on every Debian) holds it; its size is
 * set through the slave, as a terminal emulator does, and the kernel tells the command.
 */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { follow, type Result } from "./client.ts";

export type Terminal = {
  /** Everything shown so far. */
  readonly screen: string;
  write(text: string): void;
  /** Resolves when what was shown since the last match matches. */
  until(pattern: RegExp): Promise<string>;
  resize(rows: number, cols: number): Promise<void>;
  /** The command's pid. */
  pid(): Promise<number>;
  readonly ended: Promise<Result>;
};

export function openTerminal(command: string[], env: NodeJS.ProcessEnv): Terminal {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const child = spawn("script", ["-qefc", `stty rows 24 cols 80; exec ${quoted}`, "/dev/null"], {
    cwd: "/",
    env: { ...env, TERM: "xterm", SHELL: "/bin/sh" },
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const running = follow(child);
  child.stdin.on("error", () => {});
  let seen = 0;
  const inner = async (): Promise<number> => {
    for (;;) {
      const text = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
      if (text !== "") return Number(text.split(" ")[0]);
      await pause(5);
    }
  };
  return {
    get screen() {
      return running.stdout;
    },
    write: (text) => void child.stdin.write(text),
    async until(pattern) {
      const sticky = new RegExp(`(?<=^[^]{${seen},})(?:${pattern.source})`, pattern.flags);
      const match = await running.until(sticky);
      seen = match.index + match[0].length;
      return match[0];
    },
    async resize(rows, cols) {
      const slave = readlinkSync(`/proc/${await inner()}/fd/0`);
      execFileSync("stty", ["-F", slave, "rows", String(rows), "cols", String(cols)]);
    },
    pid: inner,
    ended: running.ended,
  };
}
