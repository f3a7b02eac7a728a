/** "# syntax=…": whose Dockerfile language it is. Ours is the only one; nothing is ever fetched or run for it. */
import { fail } from "#base/errors.ts";

/** docker/dockerfile:1, …:1.7-labs, …@sha256:…, with or without Docker Hub's name: every version means this one. */
const ours: ReadonlySet<string> = new Set(["docker/dockerfile", "docker/dockerfile-upstream"]);

/** @throws invalid for a frontend that is somebody else's */
export function checkSyntax(syntax: string): void {
  const [image = ""] = syntax.split(/\s/);
  if (ours.has(repositoryOf(image))) return;
  const name = JSON.stringify(image.slice(0, 200));
  throw fail("invalid", `syntax ${name}: only docker/dockerfile is known, in any version; no other frontend is fetched or run. Without this line the file is read as a Dockerfile`);
}

function repositoryOf(image: string): string {
  const name = image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  return name.replace(/^(docker\.io|index\.docker\.io|registry-1\.docker\.io)\//, "");
}
