/**
 * The table of commands. Nothing of a command is loaded by being listed: `load` brings its flags and its story in.
 *
 *   gantry ps        → topLevel          gantry container ls → groups
 *
 * A top-level command is one of a group's, under its short name. What docker has and Gantry has not yet is in
 * later.ts and says so.
 */
import { existsSync } from "node:fs";
import type { Entry, Group } from "../client.ts";
import { later, laterBehindBuilder } from "./later.ts";

const ANY = Number.POSITIVE_INFINITY;

type Loader = Entry["load"];
type Line = [name: string, usage: string, short: string, min: number, max: number, load: Loader, completes?: Entry["completes"], aliases?: string[]];

const container: Line[] = [
  ["attach", "[OPTIONS] CONTAINER", "Join this terminal to a running container's input and output", 1, 1, () => import("./container/attach.ts"), "running"],
  ["commit", "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Make an image of what a container has changed", 1, 2, () => import("./container/commit.ts"), "containers"],
  ["cp", "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH", "Copy files between a container and this machine", 2, 2, () => import("./container/cp.ts"), "containers"],
  ["create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a container without starting it", 1, ANY, () => import("./container/create.ts"), "images"],
  ["diff", "CONTAINER", "Show what a container has changed in its image's files", 1, 1, () => import("./container/diff.ts"), "containers"],
  ["exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Run a command in a running container", 2, ANY, () => import("./container/exec.ts"), "running"],
  ["explain", "[OPTIONS] CONTAINER", "Show what a container is made of, as it stands in the kernel", 1, 1, () => import("./container/explain.ts"), "containers"],
  ["export", "[OPTIONS] CONTAINER", "Write a container's files to an archive, or to standard output", 1, 1, () => import("./container/export.ts"), "containers"],
  ["inspect", "[OPTIONS] CONTAINER [CONTAINER...]", "Show all that is known of containers", 1, ANY, () => import("./container/inspect.ts"), "containers"],
  ["kill", "[OPTIONS] CONTAINER [CONTAINER...]", "Send a signal to running containers, SIGKILL unless told otherwise", 1, ANY, () => import("./container/kill.ts"), "running"],
  ["logs", "[OPTIONS] CONTAINER", "Show what a container has written", 1, 1, () => import("./container/logs.ts"), "containers"],
  ["ls", "[OPTIONS]", "List containers", 0, 0, () => import("./container/ls.ts"), undefined, ["container ls", "container list", "container ps", "ps"]],
  ["pause", "CONTAINER [CONTAINER...]", "Freeze all processes of containers", 1, ANY, () => import("./container/pause.ts"), "running"],
  ["port", "CONTAINER [PRIVATE_PORT[/PROTO]]", "Show where a container's ports are published", 1, 2, () => import("./container/port.ts"), "running"],
  ["prune", "[OPTIONS]", "Remove all stopped containers", 0, 0, () => import("./container/prune.ts"), undefined, []],
  ["rename", "CONTAINER NEW_NAME", "Give a container another name", 2, 2, () => import("./container/rename.ts"), "containers"],
  ["restart", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop containers and start them again", 1, ANY, () => import("./container/restart.ts"), "containers"],
  ["rm", "[OPTIONS] CONTAINER [CONTAINER...]", "Remove containers", 1, ANY, () => import("./container/rm.ts"), "containers", ["container rm", "container remove", "rm"]],
  ["run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a container from an image and run it", 1, ANY, () => import("./container/run.ts"), "images"],
  ["start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start stopped containers", 1, ANY, () => import("./container/start.ts"), "containers"],
  ["stats", "[OPTIONS] [CONTAINER...]", "Show what containers use, again each second", 0, ANY, () => import("./container/stats.ts"), "running"],
  ["stop", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop running containers", 1, ANY, () => import("./container/stop.ts"), "running"],
  ["top", "CONTAINER [ps OPTIONS]", "Show the processes of a container", 1, ANY, () => import("./container/top.ts"), "running"],
  ["unpause", "CONTAINER [CONTAINER...]", "Let frozen containers go on", 1, ANY, () => import("./container/unpause.ts"), "running"],
  ["update", "[OPTIONS] CONTAINER [CONTAINER...]", "Change limits and restart policies of containers", 1, ANY, () => import("./container/update.ts"), "containers"],
  ["wait", "CONTAINER [CONTAINER...]", "Wait until containers stop and print their exit codes", 1, ANY, () => import("./container/wait.ts"), "containers"],
];

const BUILD: Line = ["build", "[OPTIONS] PATH | URL | -", "Make an image of a Dockerfile and its context", 1, 1, () => import("./build/build.ts"), undefined, ["build", "image build", "builder build", "buildx build"]];

const HISTORY: Line[] = [
  ["history inspect attachment", "[OPTIONS] [BUILD] [DIGEST]", "Print what a build left: provenance, documents of its image", 0, 2, () => import("./history/attachment.ts"), undefined, []],
  ["history inspect", "[OPTIONS] [BUILD]", "Show all that is known of a build", 0, 1, () => import("./history/inspect.ts"), undefined, []],
  ["history logs", "[OPTIONS] [BUILD]", "Show what a build has written", 0, 1, () => import("./history/logs.ts"), undefined, []],
  ["history ls", "[OPTIONS]", "List builds", 0, 0, () => import("./history/ls.ts"), undefined, []],
  ["history rm", "[OPTIONS] [BUILD...]", "Forget builds", 0, ANY, () => import("./history/rm.ts"), undefined, []],
];

const CACHE: Line[] = [
  ["du", "[OPTIONS]", "Show what the build cache holds", 0, 0, () => import("./build/du.ts"), undefined, ["builder du", "buildx du", "build du"]],
  ["prune", "[OPTIONS]", "Remove what the build cache holds", 0, 0, () => import("./build/prune.ts"), undefined, ["builder prune", "buildx prune", "build prune"]],
];

const builder: Line[] = [
  BUILD,
  ...CACHE,
  ...HISTORY,
  ["inspect", "[OPTIONS] [NAME]", "Show the engine as a builder", 0, 1, () => import("./build/builder-inspect.ts"), undefined, []],
  ["ls", "[OPTIONS]", "List builders: the engine in use", 0, 0, () => import("./build/builder-ls.ts"), undefined, []],
  ["version", "", "Show the client's version", 0, 0, () => import("./build/builder-version.ts"), undefined, []],
];

/** Behind `gantry build`: words that are no context. */
const behindBuild: readonly Entry[] = [...HISTORY, ...CACHE, ["logs", "[OPTIONS] [BUILD]", "Show what a build has written", 0, 1, () => import("./history/logs.ts"), undefined, []] satisfies Line].map((line) => entryOf("build", line));

const image: Line[] = [
  BUILD,
  ["gc", "[OPTIONS]", "Remove images that were not used for long, or until the disk has room", 0, 0, () => import("./image/gc.ts"), undefined, []],
  ["copy", "[OPTIONS] SOURCE[:TAG|@DIGEST] [TARGET[:TAG]]", "Copy an image from one registry to another, or to another engine", 1, 2, () => import("./image/copy.ts"), "images"],
  ["history", "[OPTIONS] IMAGE", "Show how an image was made", 1, 1, () => import("./image/history.ts"), "images"],
  ["import", "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]", "Make an image of an archive of a file system", 1, 2, () => import("./image/import.ts")],
  ["inspect", "[OPTIONS] IMAGE [IMAGE...]", "Show all that is known of images", 1, ANY, () => import("./image/inspect.ts"), "images", []],
  ["load", "[OPTIONS]", "Load images from an archive, or from standard input", 0, 0, () => import("./image/load.ts")],
  ["ls", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", 0, 1, () => import("./image/ls.ts"), "images", ["image ls", "image list", "images"]],
  ["pin", "IMAGE [IMAGE...]", "Keep images from image collection and prunes", 1, ANY, () => import("./image/pin.ts"), "images", []],
  ["prune", "[OPTIONS]", "Remove images that nothing uses", 0, 0, () => import("./image/prune.ts"), undefined, []],
  ["pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Bring an image from a registry", 1, 1, () => import("./image/pull.ts"), "images"],
  ["push", "[OPTIONS] NAME[:TAG]", "Send an image to a registry", 1, 1, () => import("./image/push.ts"), "images"],
  ["rm", "[OPTIONS] IMAGE [IMAGE...]", "Remove images", 1, ANY, () => import("./image/rm.ts"), "images", ["image rm", "image remove", "rmi"]],
  ["save", "[OPTIONS] IMAGE [IMAGE...]", "Write images to an archive, or to standard output", 1, ANY, () => import("./image/save.ts"), "images"],
  ["tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Give an image another name", 2, 2, () => import("./image/tag.ts"), "images"],
  ["unpin", "IMAGE [IMAGE...]", "Let image collection have images again", 1, ANY, () => import("./image/unpin.ts"), "images", []],
];

const system: Line[] = [
  ["check", "[OPTIONS]", "See whether the engine's store is whole, and repair it", 0, 0, () => import("./system/check.ts"), undefined, []],
  ["df", "[OPTIONS]", "Show what uses the disk", 0, 0, () => import("./system/df.ts"), undefined, []],
  ["dial-stdio", "", "Join the standard streams to the engine's socket", 0, 0, () => import("./system/dial-stdio.ts"), undefined, []],
  ["events", "[OPTIONS]", "Follow what happens in the engine", 0, 0, () => import("./system/events.ts")],
  ["prune", "[OPTIONS]", "Remove everything that nothing uses", 0, 0, () => import("./system/prune.ts"), undefined, []],
  ["info", "[OPTIONS]", "Show the engine, its machine and its settings", 0, 0, () => import("./system/info.ts")],
];

const volume: Line[] = [
  ["clone", "[OPTIONS] VOLUME [NAME]", "Make a volume with the content of another", 1, 2, () => import("./volume/clone.ts"), "volumes", []],
  ["create", "[OPTIONS] [VOLUME]", "Create a volume", 0, 1, () => import("./volume/create.ts"), undefined, []],
  ["du", "[OPTIONS] [VOLUME...]", "Show how much volumes hold", 0, ANY, () => import("./volume/du.ts"), "volumes", []],
  ["export", "[OPTIONS] VOLUME", "Write a volume's content as a tar archive", 1, 1, () => import("./volume/export.ts"), "volumes", []],
  ["import", "VOLUME [FILE|-]", "Make a volume of a tar archive", 1, 2, () => import("./volume/import.ts"), undefined, []],
  ["inspect", "[OPTIONS] VOLUME [VOLUME...]", "Show all that is known of volumes", 1, ANY, () => import("./volume/inspect.ts"), "volumes", []],
  ["ls", "[OPTIONS]", "List volumes", 0, 0, () => import("./volume/ls.ts"), undefined, ["volume ls", "volume list"]],
  ["prune", "[OPTIONS]", "Remove volumes that nothing uses", 0, 0, () => import("./volume/prune.ts"), undefined, []],
  ["rename", "VOLUME NEW_NAME", "Give a volume another name", 2, 2, () => import("./volume/rename.ts"), "volumes", []],
  ["rm", "[OPTIONS] VOLUME [VOLUME...]", "Remove volumes that no container uses", 1, ANY, () => import("./volume/rm.ts"), "volumes", ["volume rm", "volume remove"]],
  ["snapshot", "[OPTIONS] VOLUME [NAME]", "Keep a volume's content as it is now, to be mounted read-only or cloned", 1, 2, () => import("./volume/snapshot.ts"), "volumes", []],
  ["update", "[OPTIONS] [VOLUME]", "Update a volume (cluster volumes only)", 1, 1, () => import("./volume/update.ts"), "volumes", []],
];

const trust: Line[] = [
  ["policy", "[OPTIONS] show | check IMAGE", "Show the trust policy, or what it says of an image", 1, 2, () => import("./trust/policy.ts"), undefined, []],
];

const network: Line[] = [
  ["connect", "[OPTIONS] NETWORK CONTAINER", "Let a container be in a network, too", 2, 2, () => import("./network/connect.ts"), ["networks", "containers"], []],
  ["create", "[OPTIONS] NETWORK", "Create a network", 1, 1, () => import("./network/create.ts"), undefined, []],
  ["disconnect", "[OPTIONS] NETWORK CONTAINER", "Take a container out of a network", 2, 2, () => import("./network/disconnect.ts"), ["networks", "containers"], []],
  ["explain", "[OPTIONS] CONTAINER", "Show what can reach a container, what it can reach, and why", 1, 1, () => import("./network/explain.ts"), "containers", []],
  ["inspect", "[OPTIONS] NETWORK [NETWORK...]", "Show all that is known of networks", 1, ANY, () => import("./network/inspect.ts"), "networks", []],
  ["ls", "[OPTIONS]", "List networks", 0, 0, () => import("./network/ls.ts"), undefined, ["network ls", "network list"]],
  ["prune", "[OPTIONS]", "Remove networks that no container uses", 0, 0, () => import("./network/prune.ts"), undefined, []],
  ["rm", "NETWORK [NETWORK...]", "Remove networks", 1, ANY, () => import("./network/rm.ts"), "networks", ["network rm", "network remove"]],
];

const context: Line[] = [
  ["create", "[OPTIONS] CONTEXT", "Name an engine", 1, 1, () => import("./context/create.ts"), undefined, []],
  ["inspect", "[OPTIONS] [CONTEXT] [CONTEXT...]", "Show all that is known of contexts", 0, ANY, () => import("./context/inspect.ts"), "contexts", []],
  ["ls", "[OPTIONS]", "List contexts", 0, 0, () => import("./context/ls.ts"), undefined, ["context ls", "context list"]],
  ["rm", "[OPTIONS] CONTEXT [CONTEXT...]", "Remove contexts", 1, ANY, () => import("./context/rm.ts"), "contexts", ["context rm", "context remove"]],
  ["show", "", "Print the name of the context in use", 0, 0, () => import("./context/show.ts"), undefined, []],
  ["use", "CONTEXT", "Choose the context to use from now on", 1, 1, () => import("./context/use.ts"), "contexts", []],
];

const manifest: Line[] = [
  ["annotate", "[OPTIONS] MANIFEST_LIST MANIFEST", "Say what machines a manifest of a local list is for", 2, 2, () => import("./manifest/annotate.ts"), undefined, []],
  ["create", "MANIFEST_LIST MANIFEST [MANIFEST...]", "Begin a local list of manifests, to be pushed as one image", 2, ANY, () => import("./manifest/create.ts"), undefined, []],
  ["inspect", "[OPTIONS] [MANIFEST_LIST] MANIFEST", "Show a manifest, or a list of them", 1, 2, () => import("./manifest/inspect.ts"), undefined, []],
  ["push", "[OPTIONS] MANIFEST_LIST", "Push a local list to a registry", 1, 1, () => import("./manifest/push.ts"), undefined, []],
  ["rm", "MANIFEST_LIST [MANIFEST_LIST...]", "Remove local lists", 1, ANY, () => import("./manifest/rm.ts"), undefined, []],
];

const completion = ["bash", "fish", "zsh"].map((shell): Line => [
  shell,
  "",
  `Print the completion script for ${shell}`,
  0,
  0,
  () => import("../completion/completion.ts"),
  undefined,
  [],
]);

/** Containers' commands also stand at the top under the same name; these under another, or only in their group. */
const shortNames: Readonly<Record<string, string>> = {
  "container ls": "ps",
  "image ls": "images",
  "image rm": "rmi",
};
const groupOnly = new Set(["container inspect", "container prune", "image inspect", "image prune", "image gc", "image pin", "image unpin", "system check", "system df", "system prune", "system dial-stdio"]);
const atTop = new Set(["container", "image", "system"]);

export const groups: readonly Group[] = [
  group("builder", "Manage builds", builder),
  group("buildx", "Manage builds: the same as builder", builder),
  group("completion", "Print a completion script for a shell", completion),
  group("container", "Manage containers", container),
  group("context", "Manage contexts", context),
  group("image", "Manage images", image),
  group("manifest", "Put images for several platforms together", manifest),
  group("network", "Manage networks", network),
  group("system", "Manage the engine", system),
  group("trust", "See who may be trusted with images", trust),
  group("volume", "Manage volumes", volume),
].map((each) => ({ ...each, entries: [...each.entries, ...later.filter((one) => one.group === each.name).map((one) => one.entry), ...(each.name.startsWith("build") ? laterBehindBuilder : [])] }));

export const topLevel: readonly Entry[] = [
  ...[...atTop].flatMap((name) =>
    groups
      .find((each) => each.name === name)!
      .entries.filter((entry) => !groupOnly.has(`${name} ${entry.name}`) && !later.some((one) => one.entry === entry))
      .map((entry) => ({ ...entry, name: shortNames[`${name} ${entry.name}`] ?? entry.name })),
  ),
  entryOf("", ["inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "Show all that is known of any object", 1, ANY, () => import("./inspect.ts"), "objects", []]),
  entryOf("", ["login", "[OPTIONS] [SERVER]", "Give credentials for a registry", 0, 1, () => import("./registry/login.ts"), undefined, []]),
  entryOf("", ["logout", "[SERVER]", "Forget the credentials for a registry", 0, 1, () => import("./registry/logout.ts"), undefined, []]),
  entryOf("", ["ping", "[OPTIONS]", "See whether the engine answers, and how fast", 0, 0, () => import("./system/ping.ts"), undefined, []]),
  entryOf("", ["search", "[OPTIONS] TERM", "Look for images on Docker Hub, or on another registry", 1, 1, () => import("./registry/search.ts"), undefined, []]),
  entryOf("", ["version", "[OPTIONS]", "Show the versions of client and engine", 0, 0, () => import("./system/version.ts"), undefined, []]),
  // In the lists it stands with the groups (help.ts); without options before it, it is the engine's program (bin/gantry.ts).
  { ...entryOf("", ["daemon", "status", "Ask for the state of the engine", 0, 1, () => import("./system/daemon.ts"), undefined, []]), hidden: true },
  { ...entryOf("", ["__complete", "[WORD...]", "Print what may follow", 0, ANY, () => import("../completion/complete.ts"), undefined, []]), hidden: true },
  ...later.filter((one) => one.group === "").map((one) => one.entry),
];

/** Behind builder, buildx and build: commands of their own below one word. */
const HISTORY_GROUP: Group = { name: "history", short: "Builds that were, and that are", entries: HISTORY.map((line) => entryOf("history", [line[0].slice("history ".length), ...line.slice(1)] as unknown as Line)) };

export type Found = { readonly path: string; readonly args: readonly string[] } & (
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "group"; readonly group: Group }
  | { readonly kind: "nothing" }
);

/** Walks the words of a line to a command: its path, and what is left for it. */
export function findEntry(words: readonly string[], self = "gantry"): Found {
  const [first = "", ...rest] = words;
  const entry = topLevel.find((each) => each.name === first);
  const path = `${self} ${first}`;
  if (first === "build" || first === "builder" || first === "buildx") {
    const below = findBelow(first === "build" ? behindBuild : groups.find((each) => each.name === first)!.entries, rest, first === "build");
    if (below === "history") return { kind: "group", group: HISTORY_GROUP, path: `${path} history`, args: rest.slice(1) };
    if (below !== undefined) return { kind: "entry", entry: below, path: `${path} ${below.name}`, args: rest.slice(below.name.split(" ").length) };
  }
  if (entry !== undefined) return { kind: "entry", entry, path, args: rest };
  const found = groups.find((each) => each.name === first);
  if (found === undefined) return { kind: "nothing", path: self, args: words };
  const inside = rest[0] === undefined ? undefined : findInside(found, rest[0]);
  if (inside === undefined) return { kind: "group", group: found, path, args: rest };
  return { kind: "entry", entry: inside, path: `${path} ${inside.name}`, args: rest.slice(1) };
}

/** The most words that name a command. Behind `gantry build` one word is the folder where there is one; what "logs" has behind it is a build's name. */
function findBelow(entries: readonly Entry[], words: readonly string[], mayBeFolder: boolean): Entry | "history" | undefined {
  for (const count of [3, 2]) {
    const found = words.length < count ? undefined : entries.find(({ name }) => name === words.slice(0, count).join(" "));
    if (found !== undefined) return found;
  }
  const [first = "", second] = words;
  const isFolder = mayBeFolder && !(second === "--help" || second === "-h" || (first === "logs" && second !== undefined)) && existsSync(first);
  if (isFolder) return undefined;
  return first === "history" ? "history" : entries.find(({ name }) => name === first);
}

function findInside(within: Group, word: string): Entry | undefined {
  return within.entries.find((each) => each.name === word || each.aliases?.includes(`${within.name} ${word}`));
}

function group(name: string, short: string, lines: readonly Line[]): Group {
  return { name, short, entries: lines.map((line) => entryOf(name, line)) };
}

function entryOf(within: string, [name, usage, short, min, max, load, completes, aliases]: Line): Entry {
  return {
    name,
    usage,
    short,
    arity: { min, max },
    load,
    ...(name === "dial-stdio" ? { hidden: true } : {}),
    ...(completes === undefined ? {} : { completes }),
    aliases: aliases ?? [`${within} ${name}`, name],
  };
}
