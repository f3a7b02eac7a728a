import { fail } from "#base/errors.ts";
import { parseReference } from "#spec/reference.ts";
import { define, type Cli } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { text } from "../../flags/kinds.ts";
import { escapeControls } from "../../format/escape.ts";

type Signer = { readonly kind: "key"; readonly path: string } | { readonly kind: "keyless"; readonly issuer: string; readonly identity: string };
type Rule = { readonly name: string; readonly action: string; readonly images: readonly string[]; readonly signedBy?: readonly Signer[] };
type Policy = { readonly Path: string; readonly Default: string; readonly Rules: readonly Rule[] };
type Verdict = { readonly Image: string; readonly Digest: string; readonly Rule: string; readonly Action: string; readonly Allowed: boolean; readonly Signer: string; readonly Reason: string };

/** Ends with 1 when the image would be refused. */
export const command = define({
  flags: { format: text("f", 'Print as told: "json"') },
  async run(cli, { format }, [verb, image]) {
    if (format !== "" && format !== "json") throw fail("invalid", `unknown format ${JSON.stringify(format)}: only "json" is known here`);
    if (verb === "show" && image === undefined) return await show(cli, format === "json");
    if (verb === "check" && image !== undefined) return await check(cli, image, format === "json");
    throw fail("invalid", `usage: ${cli.path} show, or ${cli.path} check IMAGE`);
  },
});

async function show(cli: Cli, json: boolean): Promise<void> {
  const policy = await (await cli.api()).json<Policy>("GET", "/gantry/trust/policy");
  if (json) return cli.out.write(`${JSON.stringify(policy)}\n`);
  if (policy.Path === "") return cli.out.write("There is no trust policy: images may come from everywhere.\n");
  const rules = policy.Rules.flatMap(({ name, action, images, signedBy = [] }) => [
    `\n${name}: ${action}`,
    ...images.map((pattern) => `  ${pattern}`),
    ...signedBy.map((signer) => `  signed by ${signer.kind === "key" ? `the key ${signer.path}` : `${signer.identity} of ${signer.issuer}`}`),
  ]);
  print(cli, [`Policy:   ${policy.Path}`, `Default:  ${policy.Default}`, ...rules]);
}

async function check(cli: Cli, image: string, json: boolean): Promise<number> {
  const auth = await authHeader(cli, parseReference(image).domain);
  const verdict = await (await cli.api()).json<Verdict>("GET", "/gantry/trust/check", { query: { image }, headers: auth === undefined ? {} : { "X-Registry-Auth": auth } });
  if (json) cli.out.write(`${JSON.stringify(verdict)}\n`);
  else {
    const fields: [string, string][] = [
      ["Image", verdict.Image],
      ["Digest", verdict.Digest],
      ["Rule", verdict.Rule === "" ? "there is no trust policy" : `${verdict.Rule} (${verdict.Action})`],
      ["Allowed", verdict.Allowed ? "yes" : "no"],
      ["Signer", verdict.Signer],
      ["Reason", verdict.Reason],
    ];
    print(cli, fields.filter(([, value]) => value !== "").map(([name, value]) => `${`${name}:`.padEnd(9)} ${value}`));
  }
  return verdict.Allowed ? 0 : 1;
}

function print({ out }: Cli, lines: readonly string[]): void {
  out.write(`${lines.map((line) => escapeControls(line, out.isTerminal)).join("\n")}\n`);
}
