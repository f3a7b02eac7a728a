/**
 * The closed set of meanings an error can have. A door (REST, gRPC, command line) turns a kind into its own
 * code by a table; nothing ever matches on text.
 */
export type Kind =
  | "invalid"
  | "not-found"
  | "already-exists"
  | "conflict"
  | "forbidden"
  | "unauthorized"
  | "not-modified"
  | "not-implemented"
  | "unavailable"
  | "cancelled"
  | "exhausted"
  | "internal";

/**
 * An error with a meaning. `message` names what was attempted, a colon, what is so (and what to do).
 * Facts a caller may need are in `facts`, never only in the text.
 */
export class Failure extends Error {
  readonly kind: Kind;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(kind: Kind, message: string, options: { cause?: unknown; facts?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.kind = kind;
    this.facts = Object.freeze({ ...options.facts });
  }
}

/** Makes a failure: `throw fail("not-found", "No such container: x")`. */
export function fail(
  kind: Kind,
  message: string,
  options: { cause?: unknown; facts?: Record<string, unknown> } = {},
): Failure {
  return new Failure(kind, message, options);
}

/** The kind of any thrown value; what is not a Failure is `internal`, an abort is `cancelled`. */
export function kindOf(error: unknown): Kind {
  if (error instanceof Failure) return error.kind;
  if (error instanceof Error && error.name === "AbortError") return "cancelled";
  return "internal";
}

/** The text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
