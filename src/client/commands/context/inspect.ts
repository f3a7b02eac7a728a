import { readdirSync } from "node:fs";
import { define } from "../../client.ts";
import { DEFAULT_CONTEXT, readContext } from "../../connect/contexts.ts";
import { chooseContext, defaultHost } from "../../connect/endpoint.ts";
import { text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { encodeJson } from "../../format/functions.ts";
import { inspectAll } from "../../format/inspect.ts";
import { goType } from "#spec/go-template-type.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object) },
  async run(cli, options, names) {
    const { folder } = cli.config();
    const wanted = names.length > 0 ? names : [chooseContext(cli.globals, cli.env, cli.config)];
    const host = defaultHost({ ...cli.globals, host: [] }, cli.env);
    await inspectAll(cli.out, wanted, { format: options.format }, async (name) => encode(name === DEFAULT_CONTEXT ? inMemory(host) : stored(folder, name)));
  },
});

/** In the order of the fields, which Go's maps would not keep. */
function encode(value: object): string {
  return encodeJson({ ...value, [goType]: "context" });
}

function inMemory(host: string): object {
  return {
    Name: DEFAULT_CONTEXT,
    Metadata: {},
    Endpoints: { docker: { Host: host, SkipTLSVerify: false } },
    TLSMaterial: {},
    Storage: { MetadataPath: "<IN MEMORY>", TLSPath: "<IN MEMORY>" },
  };
}

function stored(folder: string, name: string): object {
  const context = readContext(folder, name);
  let files: string[] = [];
  try {
    files = readdirSync(`${context.tlsFolder}/docker`).sort();
  } catch {
    // No TLS files: none are listed.
  }
  return {
    ...context.meta,
    TLSMaterial: files.length === 0 ? {} : { docker: files },
    Storage: { MetadataPath: context.metaFolder, TLSPath: context.tlsFolder },
  };
}
