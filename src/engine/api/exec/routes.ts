/** /exec, and /containers/{id}/exec. */
import type { Duplex } from "node:stream";
import { fail, Failure, messageOf } from "#base/errors.ts";
import { join } from "#base/http-hijack.ts";
import { type Answer, type ApiCall, type ApiRoute, created, empty, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { jsonBody, requiredJsonBody } from "../body.ts";
import { sizeOf } from "../containers/routes.ts";
import { streamType } from "../containers/streams.ts";
import { boolean, int, list, string, struct } from "../decode.ts";
import type { ExecConfig, ExecRecord } from "../../engine.ts";

const decodeConfig = struct({
  Cmd: list(string),
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  Tty: boolean,
  Env: list(string),
  User: string,
  WorkingDir: string,
  Privileged: boolean,
  DetachKeys: string,
  ConsoleSize: list(int),
});

const decodeStart = struct({ Detach: boolean, Tty: boolean, ConsoleSize: list(int) });

export function execRoutes({ execs }: ApiParts): ApiRoute[] {
  async function create(call: ApiCall): Promise<Answer> {
    const config = decodeConfig(await requiredJsonBody(call), "ExecCreateRequest");
    if (config.Cmd === null || config.Cmd.length === 0) throw fail("invalid", "No exec command specified");
    const consoleSize = call.version < 42 ? undefined : consoleSizeOf(config.ConsoleSize);
    const { ConsoleSize: _, ...rest } = config;
    const request: ExecConfig = { ...rest, Cmd: config.Cmd, Env: config.Env ?? [], ...(consoleSize === undefined ? {} : { ConsoleSize: consoleSize }) };
    return created({ Id: await execs.create(call.params["id"]!, request) });
  }

  async function start(call: ApiCall): Promise<Answer> {
    const id = call.params["id"]!;
    const body = decodeStart((await jsonBody(call)) ?? null, "ExecStartRequest");
    const { config } = execs.get(id);
    if (body.Detach) {
      await execs.startDetached(id);
      return empty(200);
    }
    const consoleSize = call.version < 42 || !body.Tty ? undefined : consoleSizeOf(body.ConsoleSize);
    const options = { tty: body.Tty, stdin: config.AttachStdin, stdout: config.AttachStdout, stderr: config.AttachStderr };
    let process: Duplex;
    try {
      process = await execs.start(id, { ...options, ...(consoleSize === undefined ? {} : { consoleSize }) });
    } catch (error) {
      if (!isProcessFailure(error)) throw error;
      // The client asks for the exit code (126, 127) after the stream, and shows the stream as it is.
      const client = call.hijack(streamType(call, config.Tty));
      client.end(outputFrame(`${messageOf(error)}\r\n`, config.Tty));
      client.resume();
      return undefined;
    }
    await join(call.hijack(streamType(call, config.Tty)), process, { input: config.AttachStdin });
    return undefined;
  }

  return [
    { method: "POST", path: "/containers/{id}/exec", run: create },
    { method: "POST", path: "/exec/{id}/start", hijack: true, run: start },
    {
      method: "POST",
      path: "/exec/{id}/resize",
      run: async (call) => {
        await execs.resize(call.params["id"]!, sizeOf(call));
        return empty(200);
      },
    },
    { method: "GET", path: "/exec/{id}/json", run: ({ params }) => ok(inspectExec(execs.get(params["id"]!))) },
  ];
}

export function inspectExec({ id, running, exitCode, config, containerId, pid }: ExecRecord): object {
  return {
    ID: id,
    Running: running,
    ExitCode: exitCode,
    ProcessConfig: {
      tty: config.Tty,
      entrypoint: config.Cmd[0] ?? "",
      arguments: config.Cmd.slice(1),
      privileged: config.Privileged,
      ...(config.User === "" ? {} : { user: config.User }),
    },
    OpenStdin: config.AttachStdin,
    OpenStderr: config.AttachStderr,
    OpenStdout: config.AttachStdout,
    CanRemove: false,
    ContainerID: containerId,
    DetachKeys: "",
    Pid: pid,
  };
}

/** [rows, columns]; two zeros are none. */
function consoleSizeOf(size: readonly number[] | null): [number, number] | undefined {
  if (size === null) return undefined;
  const [rows = 0, cols = 0] = size;
  if (size.length > 2 || ![rows, cols].every((n) => n >= 0 && n <= 0xffff)) throw fail("invalid", `invalid console size ${JSON.stringify(size)}`);
  return rows === 0 && cols === 0 ? undefined : [rows, cols];
}

/** The process could not be made, as opposed to the container being in no state for it. */
const isProcessFailure = (error: unknown) => error instanceof Failure && typeof error.facts["exitCode"] === "number";

function outputFrame(message: string, terminal: boolean): Buffer {
  const payload = Buffer.from(message);
  if (terminal) return payload;
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}
