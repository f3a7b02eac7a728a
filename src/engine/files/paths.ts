/** Paths in a container, as Docker reads them: what stands before the last component is followed, the last is not. Pure. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";

export type ContainerPath = {
  /** Absolute and clean; a trailing slash or "/." stays. */
  readonly path: string;
  /** To be followed. */
  readonly directory: string;
  /** Not to be followed; "." for what the directory itself is. */
  readonly base: string;
  /** What an archive of it is rooted at. */
  readonly name: string;
};

/** @throws invalid */
export function parsePath(given: string): ContainerPath {
  if (given.includes("\0")) throw fail("invalid", "a path holds a NUL byte");
  const clean = posix.join("/", given).replace(/(?<=.)\/$/, "");
  const end = /(?:^|\/)\.$/.test(given) ? "/." : given.endsWith("/") ? "/" : "";
  const path = clean === "/" ? (end === "/." ? "/." : "/") : clean + end;
  const slash = path.lastIndexOf("/");
  const last = path.slice(slash + 1);
  return {
    path,
    directory: path.slice(0, slash + 1),
    base: last === "" ? "." : last,
    name: last === "." ? "." : clean === "/" ? "/" : clean.slice(clean.lastIndexOf("/") + 1),
  };
}
