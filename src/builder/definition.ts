/** The Dockerfile of a build, and how a failure shows its lines. */
import { posix } from "node:path";
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { readDockerfile } from "./contexts/definition.ts";
import type { FilePool, FileTree } from "./tree.ts";

export type Definition = {
  /** The Dockerfile's name as messages have it. */
  readonly name: string;
  readonly text: Buffer;
};

/** @throws not-found with BuildKit's text */
export async function readDefinition(pool: FilePool, tree: FileTree, path: string): Promise<Definition> {
  return { name: posix.basename(path), text: await readDockerfile(pool, tree, path) };
}

/** With what shows the Dockerfile's lines: facts.source, and facts.lines if they are known. */
export function withSource(error: unknown, { name, text }: Definition, lines: readonly [number, number] | undefined): unknown {
  const facts = error instanceof Failure ? error.facts : {};
  const source = { name, text: text.length > MAX_SHOWN ? "" : text.toString("utf8") };
  return fail(kindOf(error), messageOf(error), { cause: error, facts: { ...(lines && { lines }), ...facts, source } });
}

/** No larger one is sent along with an error. */
const MAX_SHOWN = 2 ** 20;
