/** A name is pushed when its image is there, as docker's clients do: by the engine's own API. */
import { parseReference, familiarRepository } from "#spec/reference.ts";
import type { ProgressMode } from "../../build/progress/display.ts";
import type { Cli } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { showProgress } from "../../format/progress.ts";
import { imagePath } from "../image/path.ts";

export async function pushImage(cli: Cli, name: string, mode: ProgressMode): Promise<void> {
  const reference = parseReference(name);
  const api = await cli.api();
  const auth = await authHeader(cli, reference.domain);
  const answer = await api.send("POST", imagePath(familiarRepository(reference), "/push"), {
    query: { tag: reference.tag },
    headers: { "X-Registry-Auth": auth ?? Buffer.from("{}").toString("base64url") },
  });
  const isSilent = mode === "quiet" || mode === "rawjson";
  if (!isSilent) cli.err.write(`pushing ${name}\n`);
  await showProgress(isSilent ? undefined : cli.err, answer.body, { mode: mode === "plain" ? "plain" : "auto" });
}
