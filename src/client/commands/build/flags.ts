/** The flags of `build`: docker's, buildx's, and ours. */
import type { Flag, Flags, OptionsOf } from "../../flags/flags.ts";
import { bool, bytes, hidden, list, strings, text, values } from "../../flags/kinds.ts";
import { parseUlimit } from "../../request/ulimits.ts";

const array = (short: string, words: string) => list(short, words, { kind: "stringArray" });

/** A flag that may stand alone: then it means `bare`. */
const optional = (words: string, bare: string, kind: string): Flag<string> => ({ ...text("", words, "", kind), bare });

/** What docker takes and BuildKit ignores. */
const IGNORED = {
  builder: hidden(text("", "Which builder: here there is one")),
  compress: hidden(bool("", "Compress what is sent")),
  "cpu-period": hidden(text("", "Limit of processor time")),
  "cpu-quota": hidden(text("", "Limit of processor time")),
  "cpu-shares": hidden(text("c", "Share of processor time")),
  "cpuset-cpus": hidden(text("", "Processors to use")),
  "cpuset-mems": hidden(text("", "Memory nodes to use")),
  "disable-content-trust": hidden(bool("", "Skip image verification", true)),
  "force-rm": hidden(bool("", "Remove intermediate containers, always")),
  isolation: hidden(text("", "How containers are kept apart")),
  memory: hidden(text("m", "Limit of memory")),
  "memory-swap": hidden(text("", "Limit of memory and swap")),
  rm: hidden(bool("", "Remove intermediate containers", true)),
  "security-opt": hidden(strings("", "Security options")),
} as const;

/** Those of them that a user would miss. */
export const WITHOUT_EFFECT = ["cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems", "isolation", "memory", "memory-swap", "security-opt"] as const;

export const buildFlags = {
  ...IGNORED,
  "add-host": strings("", 'Name an address in every RUN (format: "name:address"; "host-gateway" is the engine\'s)'),
  allow: strings("", 'Allow the build more than usual ("network.host", "security.insecure", "device")'),
  annotation: array("", "Annotate the image"),
  attest: array("", 'Attestations to make (format: "type=sbom,generator=image")'),
  "build-arg": array("", "Value of an ARG"),
  "build-context": array("", 'Another context (format: "name=path", "name=docker-image://image", "name=url")'),
  "cache-from": array("", 'Cache to import (format: "user/app:cache", "type=local,src=path")'),
  "cache-to": array("", 'Where to export the cache (format: "user/app:cache", "type=local,dest=path")'),
  call: text("", 'What to ask of the Dockerfile ("build", "check", "outline", "targets")', "build"),
  "cgroup-parent": text("", "Parent of the cgroups of RUN"),
  check: bool("", 'Say what could be better in the Dockerfile, and build nothing (as "--call=check")'),
  "debug-on-fail": bool("", "Open a shell in the step that failed, as it was left"),
  "dry-run": optional('Build nothing: show the steps, as text or as a picture ("svg")', "text", "format"),
  explain: bool("", "Say of each step whether it was found in the cache, and if not, what was different"),
  file: text("f", 'The Dockerfile (default: "PATH/Dockerfile"; "-": standard input)'),
  iidfile: text("", "Write the image's ID into a file"),
  label: array("", "Set a label of the image"),
  load: bool("", 'Put the result into the image store (as "--output=type=docker")'),
  "metadata-file": text("", "Write what the build resulted in into a file, as JSON"),
  network: text("", 'Network of every RUN ("default", "none", "host")', "default"),
  "no-cache": bool("", "Make every step anew"),
  "no-cache-filter": array("", "Make the steps of these stages anew"),
  output: array("o", 'Where the result goes (format: "type=local,dest=path")'),
  platform: array("", "Platforms to build for"),
  progress: text("", 'How to show progress ("auto", "plain", "tty", "quiet", "rawjson")', "auto"),
  provenance: text("", 'As "--attest=type=provenance"'),
  pull: bool("", "Ask the registries for newer images"),
  push: bool("", 'Push the result (as "--output=type=registry")'),
  quiet: bool("q", "Print nothing but the image's ID"),
  sbom: text("", 'As "--attest=type=sbom"'),
  secret: array("", 'A secret for steps that mount it (format: "id=mysecret[,src=path|,env=NAME]")'),
  "shm-size": bytes("", "Size of /dev/shm in RUN"),
  squash: optional('Make one layer of those of this build ("new"), or of all', "new", "which"),
  ssh: array("", 'An ssh agent, or keys, for steps that mount it (format: "default|ID[=SOCKET|KEY[,KEY]]")'),
  tag: array("t", 'Name of the image (format: "name:tag")'),
  target: text("", "Stage to build"),
  ulimit: values("", "Limits of processes in RUN", { kind: "ulimit", shown: "[]", parse: parseUlimit }),
} as const satisfies Flags;

export type BuildOptions = OptionsOf<typeof buildFlags>;
