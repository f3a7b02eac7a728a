import { readdirSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import type { ApiParts } from "../api.ts";
import type { CreateHost } from "./create-request.ts";

/** What a create request is checked against: the machine, and the engine's configuration. */
export function createHost({ facts, containerDefaults }: ApiParts): CreateHost {
  return {
    cpus: cpus().length || availableParallelism(),
    memoryNodes: countMemoryNodes(),
    cgroupVersion: facts.cgroupVersion,
    shmSize: containerDefaults.shmSize,
    ipcMode: containerDefaults.ipcMode,
    cgroupnsMode: containerDefaults.cgroupnsMode,
    logDriver: containerDefaults.logDriver,
    logOptions: containerDefaults.logOpts,
  };
}

function countMemoryNodes(): number {
  try {
    return readdirSync("/sys/devices/system/node").filter((name) => /^node\d+$/.test(name)).length || 1;
  } catch {
    return 1;
  }
}
