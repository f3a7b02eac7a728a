/** `gantry -H … daemon status`: of an engine that is named, wherever it runs. Of those of this machine src/bin/daemon.ts knows more. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";

type Version = { readonly Version?: string; readonly ApiVersion?: string; readonly MinAPIVersion?: string };
type Info = { readonly Name?: string; readonly Containers?: number; readonly ContainersRunning?: number; readonly Images?: number; readonly DockerRootDir?: string };

const NOT_RUNNING = 3;

export const command = define({
  flags: {},
  async run(cli, _options, [verb = ""]) {
    if (verb !== "status") throw fail("invalid", `gantry daemon ${verb}: what stands before "daemon" names an engine to ask (gantry -H HOST daemon status); the options of one to run stand behind it`);
    try {
      const { address } = await cli.line();
      const api = await cli.api();
      const [version, info] = await Promise.all([api.json<Version>("GET", "/version"), api.json<Info>("GET", "/info")]);
      const rows = [
        ["listens on", address],
        ["machine", info.Name ?? ""],
        ["data root", info.DockerRootDir ?? ""],
        ["version", `${version.Version ?? ""} (API ${version.MinAPIVersion ?? ""} to ${version.ApiVersion ?? ""})`],
        ["containers", `${info.Containers ?? 0} (${info.ContainersRunning ?? 0} running)`],
        ["images", String(info.Images ?? 0)],
      ];
      cli.out.write(`An engine runs\n${rows.filter(([, value]) => value !== "").map(([name = "", value = ""]) => `  ${name.padEnd(11)} ${value}\n`).join("")}`);
      return 0;
    } catch (error) {
      if (kindOf(error) !== "unavailable") throw error;
      cli.out.write(`No engine answers: ${messageOf(error)}\n`);
      return NOT_RUNNING;
    }
  },
});
