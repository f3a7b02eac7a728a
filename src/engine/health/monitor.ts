/** The probes of running containers: one timer each, one probe of a container at a time. */
import { formatTime, nowNanos } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { frameStripper } from "#spec/stream-frames.ts";
import { publish, type Context } from "../containers/context.ts";
import type { ContainerRecord, ExecConfig, Execs } from "../engine.ts";
import { afterProbe, healthCheckOf, nextProbe, STARTING, type Health, type HealthCheck, type Probe } from "./health.ts";

export type Monitors = {
  /** The container runs (again): its probes begin. `anew`: what was known of its health is forgotten. */
  begin(id: string, options: { anew: boolean }): void;
  /** It does not run any more, or is paused. */
  end(id: string): void;
};

const MAX_OUTPUT = 4096;
const KILL = 9;

export function openMonitors(ctx: Context, execs: Execs): Monitors {
  const timers = new Map<string, NodeJS.Timeout>();

  const schedule = (id: string, check: HealthCheck) => {
    const record = ctx.store.get(id);
    if (record === undefined) return;
    const timer = setTimeout(() => void probeNow(id, check, timer), nextProbe(check, record.state.health ?? STARTING, ageOf(record)));
    timer.unref();
    timers.set(id, timer);
  };

  const probeNow = async (id: string, check: HealthCheck, timer: NodeJS.Timeout) => {
    const begun = ctx.store.get(id);
    if (begun === undefined) return;
    const age = ageOf(begun);
    const probe = await makeProbe(ctx, execs, id, check);
    const record = ctx.store.get(id);
    // It has ended, was paused or started anew meanwhile: what the probe found is about something else.
    if (record === undefined || timers.get(id) !== timer) return;
    const before = record.state.health ?? STARTING;
    const health = afterProbe(before, probe, { check, age });
    note(record, health);
    if (health.status !== before.status) publish(ctx, record, `health_status: ${health.status}`);
    schedule(id, check);
  };

  const note = (record: ContainerRecord, health: Health) => ctx.store.remember({ ...record, state: { ...record.state, health } });

  return {
    begin(id, { anew }) {
      const record = ctx.store.get(id);
      const check = record === undefined ? undefined : healthCheckOf(record.config);
      if (record === undefined || check === undefined) return;
      if (anew || record.state.health === undefined) note(record, STARTING);
      clearTimeout(timers.get(id));
      schedule(id, check);
    },
    end(id) {
      clearTimeout(timers.get(id));
      timers.delete(id);
    },
  };
}

const ageOf = ({ state }: ContainerRecord) => Date.now() - Date.parse(state.startedAt);

/** Never throws: a probe that cannot be made is one that failed. */
async function makeProbe(ctx: Context, execs: Execs, container: string, check: HealthCheck): Promise<Probe> {
  const start = formatTime(nowNanos());
  const ended = (exitCode: number, output: string): Probe => ({ start, end: formatTime(nowNanos()), exitCode, output });
  let late: NodeJS.Timeout | undefined;
  try {
    const id = await execs.create(container, probeConfig(ctx, container, check));
    const stream = await execs.start(id, { tty: false, stdin: false, stdout: true, stderr: true });
    let given = false;
    late = setTimeout(() => {
      given = true;
      void ctx.lives.of(container).task?.shim.signal(id, KILL).catch(() => {});
      stream.destroy();
    }, check.timeout);
    late.unref();
    const output = await readOutput(stream);
    if (given) return ended(-1, `Health check exceeded timeout (${check.timeout / 1000}s)${output === "" ? "" : `: ${output}`}`);
    return ended(execs.get(id).exitCode ?? -1, output);
  } catch (error) {
    return ended(-1, messageOf(error));
  } finally {
    clearTimeout(late);
  }
}

function probeConfig(ctx: Context, container: string, check: HealthCheck): ExecConfig {
  const { config } = ctx.store.find(container);
  return {
    Cmd: [...check.command], AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, Env: [],
    User: config.User, WorkingDir: "", Privileged: false, DetachKeys: "",
  };
}

/** The first 4096 bytes; the rest is read and dropped, so that the probe can end. */
async function readOutput(stream: AsyncIterable<Buffer>): Promise<string> {
  const strip = frameStripper();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      for (const bytes of strip(chunk)) {
        if (length <= MAX_OUTPUT) chunks.push(bytes.subarray(0, MAX_OUTPUT + 1 - length));
        length += bytes.length;
      }
    }
  } catch {
    // Cut off by the timeout: what came before it counts.
  }
  const text = Buffer.concat(chunks);
  return length > MAX_OUTPUT ? `${text.subarray(0, MAX_OUTPUT).toString()}...` : text.toString();
}
