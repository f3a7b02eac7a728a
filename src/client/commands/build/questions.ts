/** What was asked of a Dockerfile (`--check`, `--call`, `--dry-run`), as the engine answers it, shown. */
import { fail } from "#base/errors.ts";
import type { SolveResponse } from "../../build/build.ts";
import type { Wish } from "../../build/wish/wish.ts";
import type { Cli } from "../../client.ts";
import { alignColumns } from "../../format/columns.ts";

type Lint = {
  readonly warnings?: readonly LintWarning[];
  readonly sources?: readonly { readonly filename?: string; readonly data?: string }[];
  readonly buildError?: { readonly message?: string };
};
type LintWarning = { readonly ruleName: string; readonly url?: string; readonly detail?: string; readonly location?: { readonly ranges?: readonly Range[] } };
type Range = { readonly start?: { readonly line?: number }; readonly end?: { readonly line?: number } };

type Asked = Pick<Wish, "question" | "dockerfile">;

/** The exit code: 1 for a check that found something. */
export function answerQuestion(cli: Cli, { question, dockerfile }: Asked, response: SolveResponse): number {
  const { kind, format } = question!;
  const json = response["result.json"] ?? "";
  const text = response["result.txt"] ?? json;
  if (json === "" && text === "") throw fail("not-implemented", `the engine does not answer ${kind === "plan" ? "--dry-run" : `--call=${kind}`}`);
  const status = Number(response["result.statuscode"] ?? "0");
  if (format === "json") cli.out.write(`${json.trim()}\n`);
  else if (kind === "check") return showLint(cli, JSON.parse(json) as Lint, dockerfile);
  else if (kind === "plan") cli.out.write(`${(format === "svg" ? response["result.svg"] : undefined) ?? text}`.replace(/\n*$/, "\n"));
  else cli.out.write(kind === "targets" ? targetsText(JSON.parse(json) as Targets) : outlineText(JSON.parse(json) as Outline));
  return status;
}

type Named = { readonly name: string; readonly description?: string };
type Targets = { readonly targets?: readonly { readonly name?: string; readonly default?: boolean; readonly description?: string }[] };
type Outline = Partial<Named> & { readonly args?: readonly (Named & { readonly value?: string })[]; readonly secrets?: readonly Wanted[]; readonly ssh?: readonly Wanted[] };
type Wanted = { readonly name: string; readonly required?: boolean };

function targetsText({ targets = [] }: Targets): string {
  return table([["TARGET", "DESCRIPTION"], ...targets.map(({ name = "", default: isDefault = false, description = "" }) => [`${name}${isDefault ? `${name === "" ? "" : " "}(default)` : ""}`, description])]);
}

function outlineText({ name = "", description = "", args = [], secrets = [], ssh = [] }: Outline): string {
  const wanted = ({ name: id, required = false }: Wanted) => [id, required ? "true" : ""];
  const head = [name === "" ? "" : `TARGET:      ${name}\n`, description === "" ? "" : `DESCRIPTION: ${description}\n`].join("");
  const tables = [
    args.length === 0 ? "" : table([["BUILD ARG", "VALUE", "DESCRIPTION"], ...args.map((one) => [one.name, one.value ?? "", one.description ?? ""])]),
    secrets.length === 0 ? "" : table([["SECRET", "REQUIRED"], ...secrets.map(wanted)]),
    ssh.length === 0 ? "" : table([["SSH", "REQUIRED"], ...ssh.map(wanted)]),
  ];
  return [head, ...tables].filter((part) => part !== "").join("\n") || "There is nothing to be said of it.\n";
}

const table = (rows: readonly (readonly string[])[]): string => alignColumns(rows.map((row) => row.join("\t"))).map((line) => `${line.trimEnd()}\n`).join("");

function showLint({ out }: Cli, { warnings = [], sources = [], buildError }: Lint, dockerfile: string): number {
  if (warnings.length === 0 && buildError === undefined) {
    out.write("Check complete, no warnings found.\n");
    return 0;
  }
  if (warnings.length > 0) out.write(`Check complete, ${warnings.length} warning${warnings.length === 1 ? " has" : "s have"} been found!\n`);
  for (const { ruleName, url = "", detail = "", location } of warnings) {
    out.write(`\nWARNING: ${ruleName}${url === "" ? "" : ` - ${url}`}\n${detail}\n`);
    for (const range of location?.ranges ?? []) out.write(excerpt(sources[0], range, dockerfile));
  }
  if (buildError?.message !== undefined) out.write(`\nERROR: ${buildError.message}\n`);
  return 1;
}

/** With the file as the line named it, so that a terminal finds it. */
function excerpt(source: { readonly filename?: string; readonly data?: string } | undefined, range: Range, dockerfile: string): string {
  const first = range.start?.line ?? 0;
  const last = Math.max(first, range.end?.line ?? 0);
  if (source?.data === undefined || first === 0) return "";
  const lines = Buffer.from(source.data, "base64").toString().split("\n");
  const from = Math.max(1, first - 2);
  const shown = lines.slice(from - 1, last + 2).map((text, at) => ` ${String(from + at).padStart(3)} | ${from + at >= first && from + at <= last ? ">>>" : "   "} ${text}\n`);
  return `${dockerfile === "-" ? (source.filename ?? "Dockerfile") : dockerfile}:${first}\n${"-".repeat(20)}\n${shown.join("")}${"-".repeat(20)}\n`;
}
