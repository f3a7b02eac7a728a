import type { Flags } from "./flags/flags.ts";
import { bool, list, text } from "./flags/kinds.ts";

/** The options before the command. */
export const globalFlags = {
  config: text("", "Folder of the client's configuration"),
  context: text("c", "Context that names the engine to talk to (instead of DOCKER_HOST and of the context chosen with \"gantry context use\")"),
  debug: bool("D", "Say more about what is done"),
  host: list("H", "Address of the engine"),
  "log-level": text("l", 'How much to log ("debug", "info", "warn", "error", "fatal")', "info"),
  tls: bool("", "Use TLS; --tlsverify implies it"),
  tlscacert: text("", "Trust only certificates signed by this authority"),
  tlscert: text("", "The client's TLS certificate"),
  tlskey: text("", "The client's TLS key"),
  tlsverify: bool("", "Use TLS and verify the engine's certificate"),
  version: bool("v", "Print the version and quit"),
} as const satisfies Flags;
