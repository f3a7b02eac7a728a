import { familiarRepository, parseReference, repository, withDefaultTag } from "#spec/reference.ts";
import type { Cli, Output } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { credentialsFor } from "../../connect/credentials.ts";
import { showProgress } from "../../format/progress.ts";

/** Asks the engine to pull an image and shows how it goes. */
export async function pullImage(
  cli: Cli,
  api: Api,
  image: string,
  options: { platform: string; quiet: boolean; to: Output },
): Promise<void> {
  const reference = withDefaultTag(parseReference(image));
  const auth = credentialsFor(cli.config(), reference.domain);
  const answer = await api.send("POST", "/images/create", {
    query: {
      fromImage: familiarRepository(reference) === reference.path ? reference.path : repository(reference),
      tag: reference.digest ?? reference.tag,
      platform: options.platform.toLowerCase(),
    },
    headers: auth === undefined ? {} : { "X-Registry-Auth": auth },
  });
  await showProgress(options.quiet ? undefined : options.to, answer.body);
}
