import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { escapeControls } from "../../format/escape.ts";
import { humanSize } from "../../format/units.ts";
import { messagesOf } from "../../format/progress.ts";

type Problem = { readonly step: string; readonly subject: string; readonly text: string; readonly repaired?: string; readonly left?: string };
type Counts = { readonly blobs: number; readonly bytes: number; readonly snapshots: number; readonly images: number; readonly problems: number; readonly repaired: number };
type Line = { readonly step?: string; readonly current?: number; readonly total?: number; readonly problem?: Problem; readonly counts?: Counts; readonly errorDetail?: { readonly message: string } };

export const command = define({
  flags: {
    format: text("", "'json': a JSON object a line, as the engine tells it"),
    quiet: bool("q", "Tell problems only"),
    repair: bool("", "Remove what is damaged and can be had again, and make again what can be derived"),
  },
  async run(cli, options) {
    if (options.format !== "" && options.format !== "json") throw fail("invalid", `unknown format ${JSON.stringify(options.format)}: "json" is the only one`);
    const api = await cli.api();
    const answer = await api.send("POST", "/gantry/check", { query: { repair: options.repair } });
    let counts: Counts | undefined;
    const told = new Set<string>();
    for await (const line of messagesOf<Line>(answer.body)) {
      if (line.errorDetail !== undefined) throw fail("internal", line.errorDetail.message);
      if (options.format === "json") cli.out.write(`${JSON.stringify(line)}\n`);
      else if (line.problem !== undefined) tell(cli, line.problem);
      else if (!options.quiet) showStep(cli, line, told);
      counts = line.counts ?? counts;
    }
    if (counts === undefined) throw fail("unavailable", "the engine ended before the check did");
    if (options.format === "" && !options.quiet) summarize(cli, counts);
    // What was repaired was wrong, too; but it is whole now.
    return counts.problems > counts.repaired ? 1 : 0;
  },
});

function tell(cli: Cli, { step, subject, text: what, repaired, left }: Problem): void {
  clearStep(cli);
  const end = repaired !== undefined ? ` (${repaired})` : left !== undefined ? ` (left: ${left})` : "";
  cli.out.write(`${step}: ${escapeControls(`${subject}: ${what}${end}`, cli.out.isTerminal)}\n`);
}

/** A terminal has one line, which changes. Elsewhere there is one a step, and one a tenth of the bytes: to read a large store takes minutes. */
function showStep(cli: Cli, { step, current = 0, total = 0 }: Line, told: Set<string>): void {
  if (step === undefined) return;
  const share = total > 0 ? current / total : 0;
  if (cli.err.isTerminal) return void cli.err.write(`\r\x1b[2Kchecking ${step}${total > 0 ? ` ${Math.floor(share * 100)}%` : ""}`);
  const tenths = step === "blobs" ? Math.floor(share * 10) : 0;
  const line = `checking ${step}${tenths > 0 ? `: ${tenths * 10}% of ${humanSize(total)}` : ""}\n`;
  if (!told.has(line)) cli.err.write(line);
  told.add(line);
}

function clearStep(cli: Cli): void {
  if (cli.err.isTerminal) cli.err.write("\r\x1b[2K");
}

function summarize(cli: Cli, { blobs, bytes, snapshots, images, problems, repaired }: Counts): void {
  clearStep(cli);
  const looked = `${images} images, ${blobs} blobs (${humanSize(bytes)}), ${snapshots} snapshots`;
  const found = problems === 0 ? "all is whole" : `${problems} ${problems === 1 ? "problem" : "problems"}${repaired > 0 ? `, ${repaired} repaired` : ""}`;
  cli.out.write(`${looked}: ${found}\n`);
}
