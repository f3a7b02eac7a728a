/**
 * ssh agents for steps that ask for one. A build may list the keys and have things signed, and nothing else: what would
 * change the agent, or lock it, gets its "failure". https://datatracker.ietf.org/doc/draft-miller-ssh-agent/
 */
import type { Duplex } from "node:stream";
import { onAbort } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { bytesMessage, checkAgentRequest } from "#spec/buildkit/session.ts";
import { type Method, nothing, unary } from "../rpc/serve.ts";

type Agents = ReadonlyMap<string, () => Promise<Duplex>>;

const DEFAULT = "default";

export function checkAgent(agents: Agents): Method {
  return unary(async (request) => {
    // One for keys is started, and is told by now if they are none.
    const agent = await find(agents, checkAgentRequest.decode(request).id)();
    agent.on("error", () => {}).destroy();
    return nothing();
  });
}

export function forwardAgent(agents: Agents): Method {
  return async (call) => {
    const agent = await find(agents, call.values("buildkit.ssh.id")[0] ?? "")();
    const stop = () => agent.destroy();
    const answer = (data: Buffer) => call.send(frame(bytesMessage.encode({ data }, HEADROOM)));
    const ended = new Promise<void>((resolve) => agent.once("close", resolve).on("error", stop));
    agent.on("data", answer);
    agent.once("end", stop);
    using _ = onAbort(call.signal, stop);
    call.head();
    const take = readRequests((request) => void agent.write(request), answer);
    call.receive((message) => take(bytesMessage.decode(message).data)).then(stop, stop);
    await ended;
  };
}

function find(agents: Agents, id: string): () => Promise<Duplex> {
  const agent = agents.get(id === "" ? DEFAULT : id);
  if (agent === undefined) throw fail("not-found", `unset ssh forward key ${id === "" ? DEFAULT : id}`);
  return agent;
}

/** SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST. */
const ALLOWED = new Set([11, 13]);
/** SSH_AGENT_FAILURE, and nothing more. */
const FAILURE = Buffer.from([0, 0, 0, 1, 5]);
/** OpenSSH's limit. */
const MAX_REQUEST = 256 * 1024;

/** Whole requests of those that are allowed; the others are answered here. Answers stay in order: clients ask one at a time. */
export function readRequests(pass: (request: Buffer) => void, answer: (response: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const length = rest.readUInt32BE(0);
      if (length > MAX_REQUEST) throw fail("invalid", "a request to the ssh agent is too long");
      if (rest.length < 4 + length) return;
      const request = rest.subarray(0, 4 + length);
      rest = rest.subarray(4 + length);
      if (length > 0 && ALLOWED.has(request[4]!)) pass(request);
      else answer(FAILURE);
    }
  };
}
