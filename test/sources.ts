/** The project's own files, for the tests that look at them. */
import { globSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..");

/** TypeScript files below a folder of the repository, by path from its root. */
export function allSources(folder: string): string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root }).sort();
}
