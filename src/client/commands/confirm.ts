import { readSync } from "node:fs";
import type { Cli } from "../client.ts";

/** Asks on the terminal, "no" unless the answer begins with y. Without an answer (end of input) it is no, too. */
export function confirm(cli: Cli, question: string): boolean {
  return ask(cli, question.replace(/\n{2,}/g, "\n"));
}

/** The same for a question with empty lines in it. */
export function ask(cli: Cli, question: string): boolean {
  cli.out.write(`${question}\nAre you sure you want to continue? [y/N] `);
  return /^y(es)?$/i.test(readLine().trim());
}

function readLine(): string {
  const byte = Buffer.alloc(1);
  let line = "";
  for (;;) {
    let count: number;
    try {
      count = readSync(0, byte);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") continue;
      return line;
    }
    if (count === 0 || byte[0] === 10) return line;
    line += byte.toString("latin1");
  }
}
