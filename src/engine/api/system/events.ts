import { fail } from "#base/errors.ts";
import type { EngineEvent } from "#spec/docker.ts";
import type { Answer, ApiCall } from "../answer.ts";
import { translate } from "../compat.ts";
import { filters, nanos, text } from "../query.ts";
import { begin, writeChunk } from "../streaming.ts";
import type { Events } from "../../engine.ts";

/** GET /events: stored events of the span, then live ones, one JSON object a line. */
export async function events(call: ApiCall, source: Events): Promise<Answer> {
  const { query, version } = call;
  const [since, until] = [nanos(query, "since"), nanos(query, "until")];
  if (since !== undefined && until !== undefined && until < since) {
    throw fail("invalid", `\`since\` time (${text(query, "since")}) cannot be after \`until\` time (${text(query, "until")})`);
  }
  const span = { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
  const stream = source.subscribe({ ...span, filters: filters(query, "*"), signal: call.signal });
  const { type, separator } = formOf(call);
  begin(call, type);
  try {
    for await (const event of stream) {
      if (version < 46 && event.Type === "image" && event.Action === "create") continue;
      const json = JSON.stringify(translate("event", eventJson(event), version));
      if (!(await writeChunk(call, `${separator}${json}\n`))) return;
    }
  } catch (error) {
    if (!call.signal.aborted) throw error;
    return;
  }
  call.response.end();
  return undefined;
}

export function eventJson(event: EngineEvent): object {
  return {
    Type: event.Type,
    Action: event.Action,
    Actor: event.Actor,
    scope: event.scope,
    time: Number(event.timeNano / 1_000_000_000n),
    // Beyond 2^53: it must not pass through a number.
    timeNano: rawJson(String(event.timeNano)),
  };
}

/** A number as it is written; TypeScript does not know it yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): object };

/** Which of the forms of a stream of JSON objects the client asked for. */
function formOf({ headers, version }: ApiCall): { type: string; separator: string } {
  const accept = headers.accept ?? "";
  if (version >= 52) {
    if (accept.includes("application/json-seq")) return { type: "application/json-seq", separator: "\u001e" };
    if (accept.includes("application/x-ndjson")) return { type: "application/x-ndjson", separator: "" };
    return { type: "application/jsonl", separator: "" };
  }
  return { type: "application/json", separator: "" };
}
