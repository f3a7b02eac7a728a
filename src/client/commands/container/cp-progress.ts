/** How much has been copied: a number that grows on a terminal, nothing elsewhere. */
import type { Cli } from "../../client.ts";
import { humanSize } from "../../format/units.ts";

const PAUSE_MS = 200;

export type Count = {
  through(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  bytes(): number;
  /** Takes the line away. */
  end(): void;
};

export function countOf(cli: Cli, header: string, quiet: boolean): Count {
  const shown = !quiet && cli.err.isTerminal;
  let bytes = 0;
  let next = 0;
  const show = () => {
    next = Date.now() + PAUSE_MS;
    cli.err.write(`\r\u001b[2K${header}${humanSize(bytes)}`);
  };
  return {
    async *through(source) {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (shown && Date.now() >= next) show();
        yield chunk;
      }
    },
    bytes: () => bytes,
    end: () => void (shown && cli.err.write("\r\u001b[2K")),
  };
}
