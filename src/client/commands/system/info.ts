import { Failure, fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { chooseContext } from "../../connect/endpoint.ts";
import { NEWEST } from "../../connect/open.ts";
import { text } from "../../flags/kinds.ts";
import { escapeControls } from "../../format/escape.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { VERSION } from "../../version.ts";
import { type Info, infoLines } from "./info-lines.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object) },
  async run(cli, options) {
    const client = {
      Debug: cli.globals.debug,
      Version: VERSION,
      DefaultAPIVersion: NEWEST,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: process.arch === "x64" ? "amd64" : process.arch,
      Context: chooseContext(cli.globals, cli.env, cli.config),
      Plugins: [],
      Warnings: null,
    };
    let server = "";
    let failure: unknown;
    try {
      const api = await cli.api();
      server = (await api.text("GET", "/info")).trim();
    } catch (error) {
      if (error instanceof Failure && error.facts["bare"]) throw error;
      failure = error;
    }
    if (options.format === "json") {
      const rest = `"ClientInfo":${JSON.stringify(client)}}`;
      cli.out.write(server === "" ? `{"ServerErrors":[${JSON.stringify(messageOf(failure))}],${rest}\n` : `${server.slice(0, -1)},${rest}\n`);
      return;
    }
    const info = server === "" ? undefined : (JSON.parse(server) as Info);
    if (options.format !== "") {
      await printTemplate(cli.out, options.format, { ...info, ClientInfo: client });
      return;
    }
    const lines = [
      "Client:",
      ` Version:    ${client.Version}`,
      ` Context:    ${client.Context}`,
      ` Debug Mode: ${client.Debug}`,
      "",
      "Server:",
      ...(info === undefined ? [] : [...infoLines(info), ""]),
    ];
    cli.out.write(`${lines.map((line) => escapeControls(line, cli.out.isTerminal)).join("\n")}\n`);
    if (info === undefined) throw fail("unavailable", messageOf(failure), { cause: failure });
    for (const warning of info.Warnings ?? []) cli.err.write(`${warning}\n`);
  },
});

async function printTemplate(out: { write(text: string): void }, format: string, data: object): Promise<void> {
  const [{ parseTemplate, executeTemplate }, { functions }, { shapeTyped }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("../../format/functions.ts"),
    import("../../format/inspect-shape.ts"),
  ]);
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(format, functions);
  } catch (error) {
    throw fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error, facts: { status: 64 } });
  }
  let shown = "";
  try {
    shown = executeTemplate(template, shapeTyped(data, new WeakSet(), "system.dockerInfo"), { missingKey: "error" });
  } catch (error) {
    shown = String((error as Failure).facts["partial"] ?? "");
    throw error;
  } finally {
    out.write(`${shown}\n`);
  }
}
