/** A failed step is shown to the client that asked for it (`--debug-on-fail`), and its terminal joined to a shell there. */
import { pipeline } from "node:stream/promises";
import { method, statusOf } from "#base/grpc/grpc.ts";
import type { DebugShell, FailedStep } from "#builder/builder.ts";
import type { Of } from "#base/protobuf.ts";
import { debugMessage, METHODS } from "#spec/buildkit/session.ts";
import { asBuildKit } from "./failure.ts";
import type { Session } from "./sessions.ts";
import { streamOf } from "./stream-of.ts";

const debug = method(METHODS.debug, debugMessage, debugMessage);

/** Resolves when the client has had enough, or has gone. */
export async function showFailed({ client, supports }: Session, { failure, name, vertex, shell }: FailedStep, signal: AbortSignal): Promise<void> {
  if (!supports(debug.path)) return;
  const call = client.stream(debug, { signal });
  const which = typeof shell === "string" ? { shell: "", reason: shell } : { shell: shell.path, reason: "" };
  await call.send({ begin: { step: name, vertex, ...which, status: statusOf(asBuildKit(failure)) } });
  if (typeof shell === "string") {
    call.end();
    for await (const _ of call.messages);
    return;
  }
  const terminal = streamOf({ ...call, messages: keysOf(call.messages, shell) });
  const back = pipeline(terminal, shell.terminal, { signal, end: false });
  // The client hears the last of the shell; and when the client goes, the shell is of no use.
  await Promise.race([back, pipeline(shell.terminal, terminal, { signal }).then(() => back)]).catch(() => undefined);
  terminal.destroy();
}

async function* keysOf(messages: AsyncIterable<Of<typeof debugMessage>>, shell: DebugShell) {
  for await (const { data, size } of messages) {
    if (size !== undefined) await shell.resize(size);
    if (data.length > 0) yield { data };
  }
}
