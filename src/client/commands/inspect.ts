import { fail, kindOf } from "#base/errors.ts";
import { type Cli, define } from "../client.ts";
import type { Api } from "../connect/connect.ts";
import { bool, text } from "../flags/kinds.ts";
import { FORMAT } from "../format/format-flag.ts";
import { inspectAll } from "../format/inspect.ts";
import { containerPath } from "./each.ts";
import { imagePath } from "./image/path.ts";

type Kind = (api: Api, name: string, size: boolean) => Promise<string>;

const at =
  (folder: string): Kind =>
  (api, name) =>
    api.text("GET", `/${folder}/${encodeURIComponent(name)}`);

/** In the order in which a name is looked up. */
const kinds: Readonly<Record<string, Kind>> = {
  container: (api, name, size) => api.text("GET", containerPath(name, "/json"), { query: { size } }),
  image: (api, name) => api.text("GET", imagePath(name, "/json")),
  network: at("networks"),
  volume: at("volumes"),
  service: at("services"),
  task: at("tasks"),
  node: at("nodes"),
  plugin: (api, name) => api.text("GET", `/plugins/${encodeURIComponent(name)}/json`),
  secret: at("secrets"),
  config: at("configs"),
};

export const command = define({
  flags: {
    format: text("f", FORMAT.object),
    size: bool("s", "Show sizes too, of containers"),
    type: text("", "Look only among objects of this type"),
  },
  async run(cli, options, names) {
    if (options.given.has("type") && !Object.hasOwn(kinds, options.type)) throw wrongType(options.type);
    const api = await cli.api();
    const one = kinds[options.type];
    await inspectAll(cli.out, names, { format: options.format, typed: true }, (name) =>
      one === undefined ? findAny(cli, api, name, options.size) : one(api, name, options.size),
    );
  },
});

async function findAny(_cli: Cli, api: Api, name: string, size: boolean): Promise<string> {
  for (const inspect of Object.values(kinds)) {
    try {
      return await inspect(api, name, size);
    } catch (error) {
      // Without a swarm its objects are not there, whatever the engine says of it.
      if (!["not-found", "unavailable", "not-implemented", "invalid"].includes(kindOf(error)) || isUnreachable(error)) throw error;
    }
  }
  throw fail("not-found", `Error: No such object: ${name}`);
}

function isUnreachable(error: unknown): boolean {
  return (error as { facts?: { httpStatus?: number } }).facts?.httpStatus === undefined;
}

function wrongType(type: string): Error {
  const names = Object.keys(kinds).sort().map((name) => `"${name}"`);
  return fail("invalid", type === "" ? "type is empty: must be one of " + names.join(", ") : `unknown type: "${type}": must be one of ${names.join(", ")}`);
}
