/** `build --debug-on-fail`: the engine opens a shell in a step that failed, and we are its terminal. */
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { bytesMessage, METHODS } from "#spec/buildkit/session.ts";
import type { Cli } from "../../client.ts";
import { enterRawMode, stdinIsTerminal } from "../../terminal/terminal.ts";
import type { PausedDisplay } from "../progress/display.ts";
import type { Incoming, Method } from "../rpc/serve.ts";

const END_AGAIN_MS = 300;

export function debugMethods(cli: Cli, display: PausedDisplay): ReadonlyMap<string, Method> {
  return new Map([[METHODS.debug, (call) => shell(cli, call, display)]]);
}

async function shell(cli: Cli, call: Incoming, display: PausedDisplay): Promise<void> {
  const resume = display.pause();
  cli.err.write("A step has failed. This is a shell in it, as it was left; what is changed here is forgotten.\n");
  const restore = stdinIsTerminal() ? enterRawMode() : () => {};
  const send = (data: Buffer) => {
    if (call.send(frame(bytesMessage.encode({ data }, HEADROOM)))) return;
    process.stdin.pause();
    void call.room().then(() => process.stdin.resume());
  };
  // The end of our input is the terminal's own key for it; again, for it is lost on a shell that does not read yet.
  let ending: NodeJS.Timeout | undefined;
  const end = () => {
    send(Buffer.from([4]));
    ending ??= setInterval(() => send(Buffer.from([4])), END_AGAIN_MS);
  };
  try {
    call.head();
    if (process.stdin.readableEnded) end();
    process.stdin.on("data", send).once("end", end);
    await call.receive((message) => cli.out.write(bytesMessage.decode(message).data));
  } finally {
    clearInterval(ending);
    process.stdin.off("data", send).off("end", end).pause();
    restore();
    resume();
  }
}
