import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { list } from "../../flags/kinds.ts";
import { containerFlags } from "../../request/flags.ts";
import { parsePorts } from "../../request/ports.ts";
import { parseRestart } from "../../request/request.ts";
import { containerPath, doToEach } from "../each.ts";

const all = containerFlags;
const flags = {
  "blkio-weight": all["blkio-weight"],
  "cpu-period": all["cpu-period"],
  "cpu-quota": all["cpu-quota"],
  "cpu-rt-period": all["cpu-rt-period"],
  "cpu-rt-runtime": all["cpu-rt-runtime"],
  "cpu-shares": all["cpu-shares"],
  cpus: all.cpus,
  "cpuset-cpus": all["cpuset-cpus"],
  "cpuset-mems": all["cpuset-mems"],
  memory: all.memory,
  "memory-reservation": all["memory-reservation"],
  "memory-swap": all["memory-swap"],
  "network-rate": all["network-rate"],
  "pids-limit": all["pids-limit"],
  "publish-add": list("", "Publish a port of it, as --publish does ([ADDRESS:]HOST:CONTAINER[/PROTOCOL][,allow=PREFIX])"),
  "publish-rm": list("", "Publish a port of it no longer ([[ADDRESS:]HOST:]CONTAINER[/PROTOCOL])"),
  restart: all.restart,
} as const;

export const command = define({
  flags,
  async run(cli, options, names) {
    if (options.given.size === 0) throw fail("invalid", "you must provide one or more flags when using this command");
    const body = {
      BlkioWeight: options["blkio-weight"],
      CpuPeriod: options["cpu-period"],
      CpuQuota: options["cpu-quota"],
      CpuRealtimePeriod: options["cpu-rt-period"],
      CpuRealtimeRuntime: options["cpu-rt-runtime"],
      CpuShares: options["cpu-shares"],
      NanoCpus: options.cpus,
      CpusetCpus: options["cpuset-cpus"],
      CpusetMems: options["cpuset-mems"],
      Memory: options.memory,
      MemoryReservation: options["memory-reservation"],
      MemorySwap: options["memory-swap"],
      ...(options.given.has("pids-limit") ? { PidsLimit: options["pids-limit"] } : {}),
      ...(options["network-rate"] === undefined ? {} : { NetworkRate: options["network-rate"] }),
      ...(options["publish-add"].length === 0 ? {} : { PublishAdd: parsePorts(options["publish-add"], []).bindings }),
      ...(options["publish-rm"].length === 0 ? {} : { PublishRemove: parsePorts(options["publish-rm"], []).bindings }),
      ...(options.given.has("restart") ? { RestartPolicy: parseRestart(options.restart) } : {}),
    };
    const api = await cli.api();
    const warnings: string[] = [];
    await doToEach(cli, names, async (name) => {
      const { Warnings: found } = await api.json<{ Warnings: string[] | null }>("POST", containerPath(name, "/update"), { json: body });
      warnings.push(...(found ?? []));
    });
    for (const warning of warnings) cli.err.write(`WARNING: ${warning}\n`);
  },
});
