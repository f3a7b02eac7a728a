import { fail } from "#base/errors.ts";
import { canonical, repository } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { bool } from "../../flags/kinds.ts";
import { INSECURE } from "./flags.ts";
import { listDocument } from "./list-document.ts";
import { manifestPath } from "./remote.ts";
import { noSuch, openState, readName } from "./state.ts";

export const command = define({
  flags: {
    insecure: INSECURE,
    purge: bool("p", "Remove the local list when it is pushed"),
  },
  async run(cli, { purge }, [target = ""]) {
    const name = readName(target);
    const state = openState(cli);
    const manifests = state.list(name);
    if (manifests === undefined) throw noSuch(name);
    if (manifests.length === 0) throw fail("not-found", `${canonical(name)} not found`);
    const bare = manifests.find(({ Descriptor: { platform } }) => !platform?.architecture || !platform.os);
    if (bare !== undefined) throw fail("invalid", `manifest ${bare.Ref} must have an OS and Architecture to be pushed to a registry`);
    const { mediaType, text } = listDocument(manifests, name.domain);
    const auth = await authHeader(cli, name.domain);
    const api = await cli.api();
    const { Digest: digest, Pushed: pushed } = await api.json<{ Digest: string; Pushed: string[] }>("POST", manifestPath(name), {
      json: { MediaType: mediaType, Raw: Buffer.from(text).toString("base64"), Sources: Object.fromEntries(manifests.map(({ Ref, Descriptor }) => [Descriptor.digest, Ref])) },
      headers: auth === undefined ? {} : { "X-Registry-Auth": auth },
    });
    for (const one of pushed) cli.out.write(`Pushed ref ${repository(name)}@${one} with digest: ${one}\n`);
    cli.out.write(`${digest}\n`);
    if (purge) state.remove(name);
  },
});
