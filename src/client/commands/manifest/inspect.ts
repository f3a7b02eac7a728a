import { type Cli, define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { INSECURE } from "./flags.ts";
import { listDocument } from "./list-document.ts";
import { fetchManifests } from "./remote.ts";
import { type ListedManifest, noSuch, openState, readName } from "./state.ts";

export const command = define({
  flags: {
    insecure: INSECURE,
    verbose: bool("v", "Show names, descriptors and platforms too"),
  },
  async run(cli, { verbose }, [first = "", second]) {
    const state = openState(cli);
    if (second !== undefined) {
      const [list, name] = [readName(first), readName(second)];
      const manifest = state.get(list, name);
      if (manifest === undefined) throw noSuch(name);
      return showOne(cli, manifest, verbose);
    }
    const name = readName(first);
    const local = state.list(name);
    if (local !== undefined) return showList(cli, local, name.domain, verbose);
    const { isList, manifests } = await fetchManifests(cli, name, { alone: false });
    if (isList) showList(cli, manifests, name.domain, verbose);
    else showOne(cli, manifests[0]!, verbose);
  },
});

function showOne(cli: Cli, manifest: ListedManifest, verbose: boolean): void {
  const text = verbose ? JSON.stringify(manifest) : Buffer.from(manifest.Raw, "base64").toString();
  cli.out.write(`${tabs(text)}\n`);
}

function showList(cli: Cli, manifests: readonly ListedManifest[], domain: string, verbose: boolean): void {
  cli.out.write(`${verbose ? tabs(JSON.stringify(manifests)) : listDocument(manifests, domain).text}\n`);
}

/** Numbers and order stay as they are written. */
const tabs = (text: string): string => JSON.stringify(JSON.parse(text), undefined, "\t");
