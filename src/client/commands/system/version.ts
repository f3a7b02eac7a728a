import { Failure, fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { chooseContext } from "../../connect/endpoint.ts";
import { NEWEST } from "../../connect/open.ts";
import { text } from "../../flags/kinds.ts";
import { alignColumns } from "../../format/columns.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { VERSION } from "../../version.ts";

type Component = { readonly Name: string; readonly Version: string; readonly Details?: Readonly<Record<string, string>> | null };
type Server = {
  readonly Platform?: { readonly Name: string };
  readonly Components?: readonly Component[] | null;
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly [field: string]: unknown;
};

export const command = define({
  flags: { format: text("f", FORMAT.object) },
  async run(cli, options) {
    const context = chooseContext(cli.globals, cli.env, cli.config);
    let server: Server | undefined;
    let failure: unknown;
    let apiVersion = NEWEST;
    try {
      const api = await cli.api();
      apiVersion = api.version;
      server = await api.json<Server>("GET", "/version");
    } catch (error) {
      if (error instanceof Failure && error.facts["bare"]) throw error;
      failure = error;
    }
    const client = {
      Version: VERSION,
      ApiVersion: apiVersion,
      DefaultAPIVersion: NEWEST,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: process.arch === "x64" ? "amd64" : process.arch,
      Context: context,
    };
    if (options.format !== "") await printFormat(cli.out, options.format, { Client: client, Server: server ?? null });
    else cli.out.write(`${[...clientLines(client), ...(server === undefined ? [] : serverLines(server))].join("\n")}\n`);
    if (failure !== undefined) throw failure;
  },
});

async function printFormat(out: { write(text: string): void }, format: string, data: object): Promise<void> {
  if (format === "json") return out.write(`${JSON.stringify(data)}\n`);
  const [{ parseTemplate, executeTemplate }, { functions }, { shapeTyped }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("../../format/functions.ts"),
    import("../../format/inspect-shape.ts"),
  ]);
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(format, functions, "version");
  } catch (error) {
    throw fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error, facts: { status: 64 } });
  }
  let shown = "";
  try {
    shown = executeTemplate(template, shapeTyped(data, new WeakSet(), "system.versionInfo"), { missingKey: "error" });
  } catch (error) {
    shown = String((error as Failure).facts["partial"] ?? "");
    throw error;
  } finally {
    out.write(`${shown}\n`);
  }
}

const LAYOUT = { min: 20, padding: 1 };

function clientLines(client: Readonly<Record<string, string>>): string[] {
  const downgraded = client["ApiVersion"] === client["DefaultAPIVersion"] ? "" : ` (downgraded from ${client["DefaultAPIVersion"]})`;
  const lines = [
    ` Version:\t${client["Version"]}`,
    ` API version:\t${client["ApiVersion"]}${downgraded}`,
    ` Node version:\t${client["NodeVersion"]}`,
    ` OS/Arch:\t${client["Os"]}/${client["Arch"]}`,
    ` Context:\t${client["Context"]}`,
  ];
  return ["Client:", ...alignColumns(lines, LAYOUT)];
}

function serverLines(server: Server): string[] {
  const name = server.Platform?.Name ?? "";
  const lines = ["", `Server:${name === "" ? "" : ` ${name}`}`];
  for (const component of componentsOf(server)) {
    const details = component.Details ?? {};
    lines.push(` ${component.Name}:`);
    const rows = [`  Version:\t${component.Version}`];
    if (component.Name === "Engine") {
      rows.push(`  API version:\t${details["ApiVersion"]} (minimum version ${details["MinAPIVersion"]})`);
      if (details["GoVersion"]) rows.push(`  Go version:\t${details["GoVersion"]}`);
      if (details["NodeVersion"]) rows.push(`  Node version:\t${details["NodeVersion"]}`);
      if (details["GitCommit"]) rows.push(`  Git commit:\t${details["GitCommit"]}`);
      if (details["BuildTime"]) rows.push(`  Built:\t${builtAt(details["BuildTime"])}`);
      rows.push(`  OS/Arch:\t${details["Os"]}/${details["Arch"]}`, `  Experimental:\t${details["Experimental"] ?? "false"}`);
    } else {
      for (const key of Object.keys(details).sort()) rows.push(`  ${key}:\t${details[key]}`);
    }
    lines.push(...alignColumns(rows, LAYOUT));
  }
  return lines;
}

/** "Thu May  7 21:09:36 2026", of an RFC 3339 time. */
function builtAt(text: string): string {
  const time = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(text);
  if (time === null) return text;
  const [weekday, month, day, year] = new Date(`${time[1]}T00:00:00Z`).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+).*$/, "$1 $3 $2 $4").split(" ");
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time[2]} ${year}`;
}

/** An engine before 1.35 has no components: its fields are those of one. */
function componentsOf(server: Server): readonly Component[] {
  if (server.Components && server.Components.length > 0) return server.Components;
  const details = Object.fromEntries(Object.entries(server).map(([key, value]) => [key, String(value)]));
  return [{ Name: "Engine", Version: server.Version, Details: details }];
}
