/** A build, from the client's words to what it is told: for each way in. */
import { fail, messageOf } from "#base/errors.ts";
import type { BuildResult } from "#builder/builder.ts";
import type { Credentials } from "#transfer/transfer.ts";
import type { BuildKitParts } from "./buildkit.ts";
import { openBuildClient } from "./client.ts";
import { asBuildKit } from "./failure.ts";
import type { Job } from "./jobs.ts";
import { reporter } from "./report.ts";
import type { Sessions } from "./sessions.ts";
import { type Solve, translate } from "./solve-request.ts";

export type Performing = {
  readonly job: Job;
  readonly session: string;
  /** Of the client's folders. */
  readonly states?: ReadonlyMap<string, string>;
  /** A context, and credentials by registry, that came with the request itself. */
  readonly archive?: AsyncIterable<Uint8Array> | undefined;
  readonly given?: ReadonlyMap<string, Credentials>;
};

/** @throws as BuildKit tells it: a status with details */
export async function perform({ builds, log }: BuildKitParts, sessions: Sessions, solve: Solve, { job, ...rest }: Performing): Promise<BuildResult> {
  const { signal } = job.abort;
  try {
    const translated = translate(solve);
    if (translated.unknown.length > 0) log.debug("build: options that mean nothing here", { ref: job.ref, options: translated.unknown.join(" ") });
    const client = openBuildClient({ sessions, contexts: builds.contexts, translated, signal, ...rest });
    return await builds.build(translated.request, client, { signal, report: reporter(job) });
  } catch (error) {
    throw asBuildKit(signal.aborted ? fail("cancelled", messageOf(error), { cause: error }) : error);
  }
}

const VERSION = "1.0.0";

/** The answer to a question about the Dockerfile, as the metadata in which clients look for it; a plan's is for people, too. */
export function answerOf(json: string): Record<string, string> {
  const { text = json, svg, warnings = [], buildError } = parsed(json);
  const hasFindings = warnings.length > 0 || (buildError !== undefined && buildError !== null);
  return { "result.json": json, "result.txt": text, ...(svg !== undefined && { "result.svg": svg }), version: VERSION, ...(hasFindings && { "result.statuscode": "1" }) };
}

type Answer = { readonly text?: string; readonly svg?: string; readonly warnings?: readonly unknown[]; readonly buildError?: unknown };

function parsed(json: string): Answer {
  try {
    return JSON.parse(json) as Answer;
  } catch {
    return {};
  }
}
