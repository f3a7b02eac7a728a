/** How a build is shown while it goes on, by `--progress`. */
import { fail } from "#base/errors.ts";
import type { Of } from "#base/protobuf.ts";
import type { timestamp } from "#spec/buildkit/control.ts";
import type { Cli } from "../../client.ts";
import type { Status } from "../solve.ts";
import { readColors } from "./colors.ts";
import { openPlain } from "./plain.ts";
import { openRawJson } from "./raw-json.ts";
import { openTty } from "./tty.ts";
import type { Warning } from "./trace.ts";

export type Display = {
  readonly warnings: readonly Warning[];
  update(status: Status): void;
  /** Called again and again. */
  refresh(): void;
  /** Once, after the last update. */
  end(): void;
};

export type ProgressMode = "auto" | "plain" | "tty" | "quiet" | "rawjson";
const MODES: readonly string[] = ["auto", "plain", "tty", "quiet", "rawjson"] satisfies ProgressMode[];

/** @throws invalid */
export function parseMode(text: string): ProgressMode {
  const mode = text === "" ? "auto" : text;
  if (!MODES.includes(mode)) throw fail("invalid", `invalid progress mode ${text}`);
  return mode as ProgressMode;
}

/** `title`: which engine; `live`: somebody looks on, who need not see the same the next time. */
type Showing = { readonly title?: string; readonly live?: boolean };

const REFRESH_MS = 150;

/** A display, refreshed until it ends: then nothing is shown any more. On standard error, which is where everything but results goes. */
export function openDisplay({ err, env }: Pick<Cli, "err" | "env">, mode: ProgressMode, { title = "", live = true }: Showing): Display {
  const display = choose({ err, env }, mode, { title, live });
  const timer = setInterval(display.refresh, Number(env["TTY_DISPLAY_RATE"]) || REFRESH_MS).unref();
  const open = openSteps();
  let ended = false;
  return {
    ...display,
    update(status) {
      if (ended) return;
      open.feed(status);
      display.update(status);
    },
    end() {
      clearInterval(timer);
      if (ended) return;
      ended = true;
      const rest = open.canceled();
      if (rest.vertexes.length > 0) display.update(rest);
      display.end();
    },
  };
}

/** Steps that run. When nothing more is told of them (^C, the engine is gone) they have been given up: in BuildKit's words. */
function openSteps(): { feed(status: Status): void; canceled(): Status } {
  const open = new Map<string, { readonly vertex: Status["vertexes"][number]; readonly since: number }>();
  return {
    feed({ vertexes }) {
      for (const vertex of vertexes) {
        if (vertex.started === undefined || vertex.completed !== undefined) open.delete(vertex.digest);
        else open.set(vertex.digest, { vertex, since: open.get(vertex.digest)?.since ?? Date.now() });
      }
    },
    canceled() {
      const vertexes = [...open.values()].map(({ vertex, since }) => ({ ...vertex, completed: later(vertex.started!, Date.now() - since), error: "context canceled" }));
      return { vertexes, statuses: [], logs: [], warnings: [] };
    },
  };
}

/** By the engine's clock. */
function later({ seconds, nanos }: Of<typeof timestamp>, ms: number): Of<typeof timestamp> {
  const whole = nanos + (ms % 1000) * 1e6;
  return { seconds: seconds + Math.floor(ms / 1000) + Math.floor(whole / 1e9), nanos: whole % 1e9 };
}

function choose({ err, env }: Pick<Cli, "err" | "env">, mode: ProgressMode, { title, live }: Required<Showing>): Display {
  if (mode === "tty" && !err.isTerminal) throw fail("invalid", "failed to get console: provided file is not a console");
  if (mode === "tty" || (mode === "auto" && err.isTerminal && env["TERM"] !== "dumb")) {
    const rows = () => process.stderr.rows ?? 24;
    return openTty({ write: (text) => err.write(text), size: () => ({ rows: rows(), columns: err.columns || 80 }) }, readColors(env), title);
  }
  if (mode === "rawjson") return openRawJson((text) => err.write(text));
  if (mode === "quiet") return { warnings: [], update: () => {}, refresh: () => {}, end: () => {} };
  return openPlain((text) => err.write(text), live ? {} : { every: 0, beginnings: false });
}
