/** `build --explain`: of each step, whether it was found, and what was different if not. */
import type { Cli } from "../../client.ts";

export type Explained = { readonly name: string; readonly cached: boolean; readonly why: readonly string[] };

export async function explainBuild(cli: Cli, ref: string): Promise<void> {
  const api = await cli.api();
  const { Explained } = await api.json<{ Explained: readonly Explained[] }>("GET", `/gantry/builds/${ref}`);
  cli.out.write(explainText(Explained));
}

export function explainText(steps: readonly Explained[]): string {
  return steps.map(({ name, cached, why }) => `${cached ? "hit " : "miss"}  ${name}\n${why.map((reason) => `        ${reason}\n`).join("")}`).join("");
}
