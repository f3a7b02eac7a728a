/** One build from its beginning to its end: the session, the request, and what is told meanwhile. */
import { fail, kindOf } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { Of } from "#base/protobuf.ts";
import { CONTROL, solveRequest, solveResponse, statusRequest, statusResponse } from "#spec/buildkit/control.ts";
import { SYNC } from "#spec/buildkit/session.ts";
import type { Cli } from "../client.ts";
import type { Line } from "../connect/connect.ts";
import type { Offers, SolveResponse, SolveWish } from "./build.ts";
import { type Connection, type Headers, openConnection } from "./h2/connection.ts";
import { ask, openCall } from "./rpc/call.ts";
import { newId } from "./id.ts";
import type { Method } from "./rpc/serve.ts";
import { openSession } from "./session.ts";

export type Status = Of<typeof statusResponse>;

export type SolveOptions = {
  readonly signal: AbortSignal;
  /** What the engine tells, as it comes. */
  readonly onStatus: (status: Status) => void;
  /** Who and which folder we are, so that the engine knows its files again. */
  readonly sharedKey: string;
  /** More that the engine may ask for. */
  readonly more?: ReadonlyMap<string, Method>;
};

/** @throws the build's failure, with facts `grpcDetails`; cancelled when the signal is aborted */
export async function solve(cli: Cli, wish: SolveWish, options: SolveOptions): Promise<SolveResponse> {
  const { signal } = options;
  const line = await cli.line();
  const stop = new AbortController();
  const id = newId();
  const connecting = openControl(line, signal);
  const session = openSession(cli, line, { ...options, id, offers: wish.session });
  // Then nothing will come of the build either.
  session.catch(() => stop.abort());
  try {
    const control = await connecting;
    const told = listen(control, wish.ref, { signal: stop.signal, onStatus: options.onStatus });
    // The engine waits for the session if it is not there yet.
    const answer = ask(control, `${CONTROL}/Solve`, frame(encodeWish(wish, id)), { signal, metadata: statesOf(wish.session) });
    // Who is asked nothing any more will never be answered.
    const lost = session.then(({ closed }) => closed).then(() => Promise.reject(fail("unavailable", "the engine has closed the build's session")));
    const response = await Promise.race([answer, lost]).catch(async (error: unknown) => {
      if (kindOf(error) !== "cancelled") await settled(told);
      throw error;
    });
    await settled(told);
    return solveResponse.decode(response).exporterResponse;
  } finally {
    stop.abort();
    for (const opened of [connecting, session]) void opened.then((connection) => connection.close(), () => {});
  }
}

/** So long a build may wait until a folder's state is known; later it is asked for. */
const SOON_MS = 8;

/** An engine that knows a folder in the state it is in asks for nothing of it. */
function statesOf({ folders }: Offers): Headers {
  return [...folders].flatMap(([name, folder]): [string, string][] => {
    const state = "path" in folder ? folder.ahead?.state(SOON_MS) : undefined;
    return state === undefined ? [] : [[SYNC.folderState, `${name}=${state}`]];
  });
}

/** A connection on which we are the one who asks. */
export async function openControl(line: Line, signal: AbortSignal): Promise<Connection> {
  return openConnection(await line.hijack("/grpc", { signal, headers: { Upgrade: "h2c" } }), { role: "client" });
}

/** After the end of a build its last words come at once; who has none is not waited for for long. */
const LAST_WORDS_MS = 3000;

async function settled(told: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([told.catch(() => {}), new Promise((resolve) => (timer = setTimeout(resolve, LAST_WORDS_MS)))]);
  clearTimeout(timer);
}

export function listen(control: Connection, ref: string, { signal, onStatus }: Pick<SolveOptions, "signal" | "onStatus">): Promise<void> {
  const call = openCall(control, `${CONTROL}/Status`, { signal, onMessage: (message) => onStatus(statusResponse.decode(Buffer.from(message))) });
  call.send(frame(statusRequest.encode({ ref }, HEADROOM)));
  call.end();
  return call.done;
}

function encodeWish(wish: SolveWish, session: string): Buffer {
  const exporters = wish.exporters.map(({ type, attributes }) => ({ type, attrs: attributes }));
  const entries = (options: SolveWish["cacheExports"]) => options.map(({ type, attributes }) => ({ type, attrs: attributes }));
  return solveRequest.encode(
    {
      ref: wish.ref,
      // Older engines know one exporter, in these fields.
      exporter: exporters[0]?.type,
      exporterAttrs: exporters[0]?.attrs,
      session,
      frontend: "dockerfile.v0",
      frontendAttrs: wish.attributes,
      cache: { exports: entries(wish.cacheExports), imports: entries(wish.cacheImports) },
      entitlements: wish.entitlements,
      internal: wish.internal,
      exporters,
    },
    HEADROOM,
  );
}
