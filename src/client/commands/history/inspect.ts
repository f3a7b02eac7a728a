import { fail, kindOf, messageOf } from "#base/errors.ts";
import { millis } from "../../build/progress/trace.ts";
import { type Cli, define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { explainText, type Explained } from "../build/explain.ts";
import { attachmentsOf, failureSource } from "./attachments.ts";
import { buildxFolders } from "./buildx-folders.ts";
import { type Build, findBuild, nameOf, statusOf, withControl } from "./builds.ts";
import { duration } from "./ls.ts";

export const command = define({
  flags: { format: text("", FORMAT.object) },
  async run(cli, { format }, [name = ""]) {
    const [build, source] = await withControl(cli, async (control) => {
      const found = await findBuild(control, name);
      return [found, await failureSource(control, found)] as const;
    });
    const explained = await explanation(cli, build.ref);
    const data = documentOf(build, nameOf(build, buildxFolders(cli)), explained);
    if (format === "json") return cli.out.write(`${JSON.stringify(data, null, 2)}\n`);
    if (format === "") return cli.out.write(page(data, source, explained));
    const [{ parseTemplate, executeTemplate }, { functions }] = await Promise.all([import("#spec/go-template.ts"), import("../../format/functions.ts")]);
    try {
      cli.out.write(`${executeTemplate(parseTemplate(format, functions), data, { missingKey: "error" })}\n`);
    } catch (error) {
      throw fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error });
    }
  },
});

/** Only Gantry's engine says why steps were made; of another one, or of a build of long ago, nothing is known. */
async function explanation(cli: Cli, ref: string): Promise<readonly Explained[]> {
  try {
    const api = await cli.api();
    return (await api.json<{ Explained: readonly Explained[] }>("GET", `/gantry/builds/${encodeURIComponent(ref)}`)).Explained;
  } catch (error) {
    if (kindOf(error) === "not-found") return [];
    throw error;
  }
}

type BuildDocument = ReturnType<typeof documentOf>;

function documentOf(build: Build, name: string, explained: readonly Explained[]) {
  const prefixed = (prefix: string) => Object.fromEntries(Object.entries(build.frontendAttrs).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])));
  const time = (at: Build["createdAt"]) => (at === undefined ? "" : new Date(millis(at)!).toISOString());
  return {
    Ref: build.ref,
    Name: name,
    Status: statusOf(build),
    Error: build.error?.message ?? "",
    Context: build.frontendAttrs["context"] ?? "",
    Dockerfile: build.frontendAttrs["filename"] ?? "",
    Target: build.frontendAttrs["target"] ?? "",
    Platform: build.frontendAttrs["platform"] ?? "",
    StartedAt: time(build.createdAt),
    CompletedAt: time(build.completedAt),
    Duration: duration(build),
    Steps: { Total: build.totalSteps, Completed: build.completedSteps, Cached: build.cachedSteps },
    Warnings: build.warnings,
    BuildArgs: prefixed("build-arg:"),
    Labels: prefixed("label:"),
    Result: build.exporterResponse,
    Attachments: attachmentsOf(build).map(({ digest, platform, type }) => ({ Digest: digest, Platform: platform, Type: type })),
    Explained: explained,
  };
}

function page(data: BuildDocument, source: string, explained: readonly Explained[]): string {
  const rows: readonly (readonly [string, string])[] = [
    ["Build", data.Ref],
    ["Name", data.Name],
    ["Context", data.Context],
    ["Dockerfile", data.Dockerfile],
    ["Target", data.Target],
    ["Platform", data.Platform],
    ["Status", data.Status],
    ["Error", data.Error],
    ["Started", data.StartedAt],
    ["Duration", data.Duration],
    ["Steps", `${data.Steps.Total}, of which ${data.Steps.Cached} were in the cache`],
    ["Warnings", data.Warnings === 0 ? "" : String(data.Warnings)],
    ["Image", data.Result["containerimage.config.digest"] ?? data.Result["containerimage.digest"] ?? ""],
    ...Object.entries(data.BuildArgs).map(([key, value]) => ["Argument", value === "" ? key : `${key}=${value}`] as const),
  ];
  const lines = rows.filter(([, value]) => value !== "").map(([key, value]) => `${`${key}:`.padEnd(13)}${value}\n`);
  const attached = data.Attachments.map(({ Digest, Platform, Type }) => `  ${Digest}  ${Type}${Platform === "" ? "" : ` (${Platform})`}\n`);
  const parts = [source, attached.length === 0 ? "" : `Attachments (gantry build history inspect attachment ${data.Ref} DIGEST):\n${attached.join("")}`, explained.length === 0 ? "" : explainText(explained)];
  return [lines.join(""), ...parts.filter((part) => part !== "")].join("\n");
}
