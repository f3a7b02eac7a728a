/** Joins what is done with registries. See registries.ts. */
import { openDocuments } from "../images/documents.ts";
import { type Brought, pullImages } from "../images/pull.ts";
import { pushImages } from "../images/push.ts";
import { copyImage } from "./copy.ts";
import { inspectRemote } from "./inspect.ts";
import { login } from "./login.ts";
import { pushIndex, readManifest } from "./manifests.ts";
import { openOrigins } from "./origins.ts";
import type { Registries, RegistryParts } from "./registries.ts";
import { searchImages } from "./search.ts";
import { openShared } from "./shared.ts";
import { explainTrust } from "./trust.ts";

export function openRegistries(given: RegistryParts): Registries {
  const { core, transfer, settings, trust } = given;
  const parts = {
    ...given,
    documents: openDocuments(core.content),
    origins: openOrigins(core.db),
    shared: openShared<Brought>(),
    maxDownloads: () => settings().maxDownloads,
    maxUploads: () => settings().maxUploads,
  };
  return {
    pull: (name, options) => pullImages(parts, name, options),
    push: (name, options) => pushImages(parts, name, options),
    login: (server, credentials, signal) => login(transfer, server, credentials, signal),
    explainTrust: (name, access) => explainTrust(transfer, trust, name, access),
    inspect: (name, access) => inspectRemote(transfer, name, access),
    manifest: (name, options) => readManifest(transfer, name, options),
    pushIndex: (name, index, access) => pushIndex(transfer, name, index, access),
    search: (term, options) => searchImages(transfer, term, options),
    copy: (source, target, options) => copyImage(parts, source, target, options),
  };
}
