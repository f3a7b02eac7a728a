/** Joins the builder with what the engine has. See builds.ts. */
import { join } from "node:path";
import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import { openBuilder } from "#builder/build.ts";
import { openCache } from "#builder/cache/cache.ts";
import { openCollection } from "#builder/cache/collect.ts";
import { defaultRules } from "#builder/cache/policy.ts";
import { type Contexts, openContexts } from "#builder/contexts/contexts.ts";
import { openSources, type Sources } from "#builder/contexts/sources.ts";
import { openExporter } from "#builder/export/export.ts";
import { openFiles } from "#builder/files/files.ts";
import { openHistory } from "#builder/history/history.ts";
import type { ImageOp } from "#builder/graph.ts";
import { sandboxFolder } from "#builder/sandbox/sandbox.ts";
import { openSolver, type Performers, type StepContext } from "#builder/solve/solve.ts";
import type { LayerTree } from "#builder/tree.ts";
import type { Core } from "#core/core.ts";
import { danglingName, type Images, isDangling } from "#core/images/images.ts";
import type { Digest } from "#spec/digest.ts";
import { hostPlatform } from "#spec/platform.ts";
import type { Transfer } from "#transfer/transfer.ts";
import type { Trust } from "#transfer/trust/trust.ts";
import type { Context } from "../containers/context.ts";
import type { Events } from "../engine.ts";
import { openDocuments } from "../images/documents.ts";
import type { EngineImages } from "../images/images.ts";
import type { Registries } from "../registries/registries.ts";
import type { BuilderSettings } from "../config/builder.ts";
import { openBaseImages } from "./base-images.ts";
import type { Builds } from "./builds.ts";
import { outputs } from "./name-and-push.ts";
import { cacheMounts, sentContexts } from "./other-caches.ts";
import { remoteCache } from "./remote-cache.ts";
import { openRun } from "./run/run.ts";

export type BuildsParts = {
  readonly core: Core;
  /** Folder of the data root that is the builder's. */
  readonly root: string;
  readonly containers: Context;
  readonly registries: Registries;
  readonly images: Pick<EngineImages, "foretell" | "makeForetold">;
  readonly transfer: () => Promise<Transfer>;
  readonly trust: Trust;
  readonly publish: Events["publish"];
  readonly settings: () => BuilderSettings;
  /** As for registries. */
  readonly proxies: () => { readonly http: string; readonly https: string; readonly no: string };
  readonly version: string;
  readonly log: Log;
};

export async function openBuilds(parts: BuildsParts): Promise<Builds & AsyncDisposable> {
  const { core, root, containers, registries, trust, publish, version, settings, log } = parts;
  const { kernel, tasks } = containers;
  await using opening = new AsyncDisposableStack();
  const sandboxes = { tasks, kernel, folder: await sandboxFolder(kernel, root) };
  const contexts = opening.use(await openContexts({ root: join(root, "contexts"), kernel }));
  const history = await openHistory({ db: core.db, folder: join(root, "history"), limits: () => settings().history });
  opening.defer(() => history.flush());
  const files = openFiles({ kernel, core, tasks, pool: contexts.pool });
  const run = openRun({ containers, drafts: files.drafts, contexts, folder: join(root, "run"), allowed: () => settings().entitlements });
  opening.defer(() => run.close());
  const cache = openCache({ core, others: [cacheMounts(run.caches), sentContexts(contexts)] });
  opening.defer(() => cache.flush());
  const rules = () => {
    const { enabled, rules: given, bounds } = settings().gc;
    return enabled ? (given ?? defaultRules(bounds)) : [];
  };
  const collection = openCollection({ cache, root: core.root, rules, failed: (error) => log.warn("collect the build cache", { error: messageOf(error) }) });
  opening.defer(() => collection.close());
  const sources = opening.use(await openSources({ contexts, sandboxes, root: join(root, "sources"), proxies: parts.proxies }));
  const performers: Performers = { ...files, ...sources.performers, exec: run.exec, image: (op, context) => unpackImage(core, op, context) };
  const solver = openSolver({ leases: core.leases, snapshots: core.snapshots, cache, performers, contexts });
  const documents = openDocuments(core.content);
  const { name, push } = outputs({ core, documents, publish, transfer: parts.transfer });
  const remote = remoteCache({ core, push, transfer: parts.transfer });
  const builder = openBuilder({
    leases: core.leases,
    host: hostPlatform(),
    solver,
    pool: contexts.pool,
    images: (client, lease) => openBaseImages({ core, documents, registries, trust, makeForetold: parts.images.makeForetold }, client, lease),
    openRemote: sources.openRemote,
    exporter: openExporter({ core, kernel, tasks, name, push, version, inline: remote.inline }),
    imports: remote.imports,
    exportCache: remote.exportCache,
    record(request) {
      const recorder = history.begin(request);
      return { ...recorder, end: (ended) => recorder.end(ended).finally(() => collection.after()) };
    },
  });
  const opened = opening.move();
  const openRemote = remoteFiles({ core, contexts, sources });
  return { ...builder, contexts, cache, history, rounds: collection.rounds, content: core.content, foretell: parts.images.foretell, passing: () => passing(core.images), openRemote, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

type RemoteParts = { readonly core: Core; readonly contexts: Contexts; readonly sources: Sources };

function remoteFiles({ core, contexts, sources }: RemoteParts): Builds["openRemote"] {
  return async (url, file, given) => {
    using lease = core.leases.open();
    const options = { ...given, lease };
    const tree = file === undefined ? (await sources.openRemote(url, options)).tree : await sources.openFile(url, file, options);
    const held = contexts.hold(tree);
    return { tree, [Symbol.dispose]: () => held[Symbol.dispose]() };
  };
}

function passing(images: Images): (image: Digest) => Promise<void> {
  const before = new Set(images.list().filter(({ name }) => isDangling(name)).map(({ target }) => target.digest));
  return async (image) => void (before.has(image) || (await images.remove([danglingName(image)])));
}

async function unpackImage({ layers }: Core, op: ImageOp, { lease, signal, progress }: StepContext): Promise<LayerTree> {
  const tell = (digest: string, current: number, total: number) => progress({ id: digest, name: `extracting ${digest}`, current, total });
  const top = await layers.unpack(lease, op.layers, { signal, progress: tell });
  return { kind: "layers", snapshot: top === "" ? undefined : top, layers: op.layers };
}
