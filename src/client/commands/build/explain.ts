/** `build --explain`: of each step, whether it was found, and what was different if not. */
import type { Cli, Output } from "../../client.ts";

export type Explained = { readonly name: string; readonly cached: boolean; readonly why: readonly string[] };

/** To `output`: who wants the image's id alone gets the rest beside it. */
export async function explainBuild(cli: Cli, ref: string, output: Output): Promise<void> {
  const api = await cli.api();
  const { Explained } = await api.json<{ Explained: readonly Explained[] }>("GET", `/gantry/builds/${ref}`);
  output.write(explainText(Explained));
}

export function explainText(steps: readonly Explained[]): string {
  return steps.map(({ name, cached, why }) => `${cached ? "hit " : "miss"}  ${name}\n${why.map((reason) => `        ${reason}\n`).join("")}`).join("");
}
