/** The engine as one of buildx's builders, which is what scripts ask for: `buildx ls`, `buildx inspect`. */
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { Of } from "#base/protobuf.ts";
import { CONTROL } from "#spec/buildkit/control.ts";
import { listWorkersRequest, listWorkersResponse, type workerRecord } from "#spec/buildkit/workers.ts";
import { ask } from "../../build/rpc/call.ts";
import type { Cli } from "../../client.ts";
import { chooseContext } from "../../connect/endpoint.ts";
import { withControl } from "../history/builds.ts";

export type Builder = {
  /** The context's name, as buildx calls the builder of an engine. */
  readonly name: string;
  readonly status: "running" | "inactive";
  readonly version: string;
  readonly platforms: readonly string[];
  readonly worker: Of<typeof workerRecord> | undefined;
  readonly error: string;
};

/** Of the context in use, or of an engine that was named. */
export async function findBuilder(cli: Cli): Promise<Builder> {
  const name = chooseContext(cli.globals, cli.env, cli.config);
  try {
    const answer = await withControl(cli, (control) => ask(control, `${CONTROL}/ListWorkers`, frame(listWorkersRequest.encode({}, HEADROOM))));
    const worker = listWorkersResponse.decode(answer).record[0];
    if (worker === undefined) throw fail("unavailable", "the engine has no builder");
    const platforms = worker.platforms.map(({ os, architecture, variant }) => [os, architecture, ...(variant === "" ? [] : [variant])].join("/"));
    return { name, status: "running", version: worker.buildkitVersion?.version ?? "", platforms, worker, error: "" };
  } catch (error) {
    return { name, status: "inactive", version: "", platforms: [], worker: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}
