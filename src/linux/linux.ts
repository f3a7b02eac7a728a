/**
 * The door to the kernel. Everything privileged is a program (`ops.ts`) performed by `cell`.
 *
 *     const kernel = await openKernel({ cell: "build/cell" });
 *     await using _ = kernel;
 *     await kernel.perform([
 *       { op: "mkdirAll", path: "/var/lib/gantry/x", mode: 0o700, slot: 1, undo: [...] },
 *       { op: "readFile", path: "/proc/version", max: 4096 },
 *     ]);
 *
 * Life: a kernel owns a few `cell` children (hosts). A program runs in one of them from beginning to end; programs of
 * different callers run side by side. Closing the kernel ends the hosts; shims live on.
 */
import type { Op, Program } from "./ops.ts";

export type Kernel = AsyncDisposable & {
  /**
   * Performs a program. Resolves to the outputs of ops that have one, by op index (position in `flatten(program)`).
   * Rejects with a `ProgramError` after the undo ops were performed.
   *
   * `forked`: perform in a child of the host, so that namespaces, root and current directory changed by the program
   * are gone afterwards. Needed by every program with unshare, setns, pivot, chdir, umask or setuser; the kernel
   * refuses such a program without it.
   */
  perform(program: Program, options?: PerformOptions): Promise<Outputs>;
  /**
   * Begins a program whose ops are not all known yet (a layer being unpacked). It is performed in a forked child as the
   * ops arrive. The first failure ends it: `push` and `end` reject with the ProgramError from then on.
   */
  stream(options?: PerformOptions): Promise<ProgramStream>;
  /**
   * Performs a program in a forked child whose last op puts out much (`archive`). Disposing it before the end ends the
   * child. Whoever reads slowly takes no host away from others.
   */
  read(program: Program, options?: { signal?: AbortSignal }): Promise<ProgramReader>;
};

/**
 * `forked`: "if needed" forks when an op of the program changes the process for good. `long`: whose pace a client sets; it
 * takes no host away from others, and the signal ends it.
 */
export type PerformOptions = { forked?: boolean | "if needed"; long?: boolean; signal?: AbortSignal };

export type Outputs = ReadonlyMap<number, Buffer>;

export type ProgramStream = AsyncDisposable & {
  /** Queues ops; resolves when there is room for more (back-pressure). */
  push(ops: Program): Promise<void>;
  /** The same without a copy of large data, which must stay as it is until this resolves. */
  pass(ops: Program): Promise<void>;
  /** The same with ops of which one puts something out: resolves to that. Not before the one before has. */
  ask(ops: Program): Promise<Buffer>;
  /** No more ops: resolves to the outputs when all are performed. What was asked for is not among them. */
  end(): Promise<Outputs>;
};

export type ProgramReader = AsyncDisposable & {
  /** The outputs of the ops before the last, when they are performed. Rejects with the ProgramError. */
  readonly before: Promise<Outputs>;
  /** What the last op puts out, in blocks of up to 1 MiB, with back-pressure. To be read once; throws the ProgramError. */
  readonly bytes: AsyncIterable<Buffer>;
};

/** A program that failed: which op, which errno. */
export class ProgramError extends Error {
  /** Index in the flattened program; -1 when `cell` itself was lost. */
  readonly index: number;
  readonly total: number;
  /** The errno, positive. */
  readonly errno: number;
  /** Its name: "EPERM". */
  readonly code: string;
  readonly op: Op | undefined;

  constructor(facts: { index: number; total: number; errno: number; code: string; op: Op | undefined; text: string }) {
    super(facts.text);
    this.name = "ProgramError";
    this.index = facts.index;
    this.total = facts.total;
    this.errno = facts.errno;
    this.code = facts.code;
    this.op = facts.op;
  }
}
