/** WORKDIR: where RUN, COPY and the container begin; made if it is not there. */
import { posix } from "node:path";
import type { FileOp } from "../graph.ts";
import { note } from "./image-state.ts";
import { advance, expand, type Scene, stepName } from "./scene.ts";

export function workdir(scene: Scene): void {
  const { state, scope, instruction } = scene;
  const text = expand(scene)(instruction.text);
  const path = posix.resolve("/", (state.config["WorkingDir"] as string | undefined) ?? "/", text);
  // What is absolute is told as it is written: "/app/".
  const told = text.startsWith("/") ? text : path;
  state.config["WorkingDir"] = told;
  const createdBy = `WORKDIR ${told}`;
  scope.steps.spend(createdBy.length);
  if (path === "/") return note(state, createdBy, { instruction: instruction.original });
  const owner = (state.config["User"] as string | undefined) ?? "";
  const op: FileOp = { kind: "file", base: 0, actions: [{ action: "mkdir", path, mode: 0o755, parents: true, ...(owner !== "" && { owner }) }] };
  const step = advance(scene, op, [], stepName(scene));
  note(state, createdBy, { step, instruction: instruction.original });
}
