/** buildx as a plugin of the official client, in an engine's own configuration. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine.ts";

const home = process.env["HOME"] ?? "/root";

/** Where docker looks for plugins, where Go installs programs, and where a test's caller says that it is. */
const plugin = [
  process.env["GANTRY_TEST_BUILDX"] ?? "",
  ...[join(home, ".docker"), "/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker"].map((folder) => join(folder, "cli-plugins/docker-buildx")),
  join(home, "go/bin/buildx"),
].find((path) => path !== "" && existsSync(path));

export const buildxMissing = plugin === undefined ? "buildx is not on this machine (GANTRY_TEST_BUILDX names it; go install github.com/docker/buildx/cmd/buildx@v0.19.3 makes it)" : undefined;

/** One that was made of its module does not know its version, and Compose wants a recent one. */
const metadata = JSON.stringify({ SchemaVersion: "0.1.0", Vendor: "Docker Inc.", Version: "v0.19.3", ShortDescription: "Docker Buildx" });

export function installBuildx({ place }: Engine): void {
  const folder = join(place.folder, "config/cli-plugins");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "docker-buildx"), `#!/bin/sh\n[ "$1" = docker-cli-plugin-metadata ] && exec echo '${metadata}'\nexec "${plugin}" "$@"\n`, { mode: 0o755 });
}
