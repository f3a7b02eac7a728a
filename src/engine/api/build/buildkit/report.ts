/** What a build tells goes to its feed, in BuildKit's words where clients look at them. */
import type { BuildOptions } from "#builder/builder.ts";
import type { Job } from "./jobs.ts";

/** Clients show "CANCELED" for what ends so. */
const CANCELLED = "context canceled";

export function reporter(job: Job): BuildOptions["report"] {
  return (event) => {
    if (event.kind === "vertex" && event.error !== undefined && job.abort.signal.aborted && !event.error.endsWith(CANCELLED)) return job.feed.report({ ...event, error: CANCELLED });
    return job.feed.report(event);
  };
}
