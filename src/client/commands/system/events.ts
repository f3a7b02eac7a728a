import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { filter, text } from "../../flags/kinds.ts";
import { encodeJson, functions } from "../../format/functions.ts";
import { escapeControls } from "../../format/escape.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { parseMoment } from "../../format/moment.ts";
import { templateError, unescapeFormat } from "../../format/rows.ts";
import { rfc3339 } from "../../format/time.ts";
import { exitOnSignals } from "../../terminal/terminal.ts";
import { encodeFilters } from "../each.ts";

type Event = {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> | null };
  readonly time?: number;
  readonly timeNano?: number | string;
};

export const command = define({
  flags: {
    filter: filter("f", "Show only what fits a condition, such as type=container or event=die"),
    format: text("", FORMAT.object),
    since: text("", "Show what was from this time on"),
    until: text("", "Stop at this time"),
  },
  async run(cli, options) {
    const show = await showerOf(options.format);
    exitOnSignals();
    const api = await cli.api();
    const answer = await api.send("GET", "/events", {
      query: {
        since: parseMoment(options.since),
        until: parseMoment(options.until),
        filters: encodeFilters(options.filter),
      },
    });
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of answer.body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      const shown = lines.filter((line) => line.trim() !== "").map((line) => escapeLine(show(line), cli.out.isTerminal));
      if (shown.length > 0) cli.out.write(`${shown.join("\n")}\n`);
    }
    if (rest.trim() !== "") throw fail("unavailable", "unexpected EOF");
  },
});

function escapeLine(text: string, isTerminal: boolean): string {
  return text.split("\n").map((line) => escapeControls(line, isTerminal)).join("\n");
}

async function showerOf(format: string): Promise<(line: string) => string> {
  if (format === "") return showPlain;
  // The engine's own text: a number of nanoseconds does not survive JSON.parse.
  if (format === "json") return (line) => line;
  const [{ parseTemplate, executeTemplate }, { printed }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("#spec/go-template-print.ts"),
  ]);
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(unescapeFormat(format), { ...functions, json: (value: unknown) => (value instanceof Line ? value.text : encodeJson(value, false)) });
  } catch (error) {
    throw templateError(error);
  }
  return (text) => {
    try {
      return executeTemplate(template, new Line(text, printed));
    } catch (error) {
      throw templateError(error);
    }
  };
}

/** An event as a template sees it. */
class Line {
  readonly text: string;
  readonly [name: string]: unknown;
  constructor(text: string, printed: symbol) {
    this.text = text;
    const event = JSON.parse(text) as Event & { scope?: string; status?: string; id?: string; from?: string };
    const names = {
      Type: event.Type,
      Action: event.Action,
      Actor: { ...event.Actor, [printed]: "" },
      Scope: event.scope ?? "",
      Time: event.time ?? 0,
      TimeNano: { [printed]: nanosecondsOf(text) },
      Status: event.status ?? event.Action,
      ID: event.id ?? event.Actor.ID,
      From: event.from ?? "",
    };
    Object.assign(this, names);
  }
}

function nanosecondsOf(text: string): string {
  return /"timeNano":\s*"?(\d+)/.exec(text)?.[1] ?? "0";
}

function showPlain(line: string): string {
  const event = JSON.parse(line) as Event;
  const nanoseconds = nanosecondsOf(line).padStart(10, "0");
  const seconds = nanoseconds === "0000000000" ? (event.time ?? 0) : Number(nanoseconds.slice(0, -9));
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  const tail = attributes.length === 0 ? "" : ` (${attributes.join(", ")})`;
  return `${rfc3339(seconds, nanoseconds.slice(-9))} ${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}
