/** What registries refuse, as Docker's users know it; the request and the host it was sent to stand at the end. */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { familiar, familiarRepository, type Reference } from "#spec/reference.ts";

export function pullRefusal(reference: Reference, error: unknown): unknown {
  const kind = kindOf(error);
  const why = messageOf(error);
  if (kind === "forbidden" || kind === "unauthorized") {
    return fail("not-found", `pull access denied for ${familiarRepository(reference)}, repository does not exist or may require 'docker login': ${why}`, { cause: error });
  }
  if (kind !== "not-found") return error;
  if (reference.tag === undefined && reference.digest === undefined) return fail("not-found", `repository ${familiarRepository(reference)} not found: ${why}`, { cause: error });
  return fail("not-found", `manifest for ${familiar(reference)} not found: manifest unknown: ${why}`, { cause: error });
}

export function pushRefusal(reference: Reference, error: unknown): unknown {
  const kind = kindOf(error);
  if (kind !== "forbidden" && kind !== "unauthorized") return error;
  return fail(kind, `push access denied for ${familiarRepository(reference)}, repository does not exist or may require 'docker login': ${messageOf(error)}`, { cause: error });
}
