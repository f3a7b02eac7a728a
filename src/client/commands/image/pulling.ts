import { familiarRepository, parseReference, type Reference, withDefaultTag } from "#spec/reference.ts";
import type { Cli, Output } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { type ProgressMode, showProgress } from "../../format/progress.ts";

export type PullOptions = {
  readonly platform: string;
  readonly quiet: boolean;
  readonly to: Output;
  readonly all?: boolean;
  readonly mode?: ProgressMode;
};

/** Asks the engine to pull an image and shows how it goes; what was pulled. */
export async function pullImage(cli: Cli, api: Api, image: string, { platform, quiet, to, all = false, mode = "auto" }: PullOptions): Promise<Reference> {
  const given = parseReference(image);
  const reference = all ? given : withDefaultTag(given);
  const auth = await authHeader(cli, reference.domain);
  const answer = await api.send("POST", "/images/create", {
    query: { fromImage: familiarRepository(reference), tag: reference.digest ?? reference.tag, platform: platform.toLowerCase() },
    headers: auth === undefined ? {} : { "X-Registry-Auth": auth },
  });
  await showProgress(quiet ? undefined : to, answer.body, { mode });
  return reference;
}
