/** `gantry daemon status`: what runs, asked of the engine itself. */
import { messageOf } from "#base/errors.ts";
import type { Config } from "#engine/config/config.ts";
import { formatHost } from "#engine/config/hosts.ts";
import { logFileOf } from "./background.ts";

const { request } = process.getBuiltinModule("node:http"); // see base/http-server.ts

export async function printStatus(config: Config, pid: number): Promise<void> {
  const rows = [
    ["pid", String(pid)],
    ["listens on", config.hosts.map(formatHost).join(", ")],
    ["data root", config.dataRoot],
    ["log", `${logFileOf(config)} (when started in the background)`],
    ...(await answers(config)),
  ];
  process.stdout.write(`An engine runs\n${rows.map(([name, value]) => `  ${name?.padEnd(11)} ${value}\n`).join("")}`);
}

async function answers(config: Config): Promise<string[][]> {
  const host = config.hosts.find((candidate) => candidate.kind === "unix");
  if (host === undefined) return [];
  try {
    const version = await get(host.path, "/version");
    const info = await get(host.path, "/info");
    return [
      ["version", `${version["Version"]} (API ${version["MinAPIVersion"]} to ${version["ApiVersion"]})`],
      ["containers", `${info["Containers"]} (${info["ContainersRunning"]} running)`],
      ["images", String(info["Images"])],
    ];
  } catch (error) {
    process.exitCode = 1;
    return [["answers", `no: ${messageOf(error)}`]];
  }
}

function get(socketPath: string, path: string): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
  const call = request({ socketPath, path, timeout: 5000 }, async (response) => {
    try {
      const text = (await response.setEncoding("utf8").toArray()).join("");
      resolve(JSON.parse(text) as Record<string, unknown>);
    } catch (error) {
      reject(error as Error);
    }
  });
  call.on("timeout", () => call.destroy(new Error("no answer within 5 seconds")));
  call.on("error", reject);
  call.end();
  return promise;
}
