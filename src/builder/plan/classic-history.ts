/** What dockerd's classic builder writes into an image's history where BuildKit has words of its own. Pure. */
import type { PlannedHistory } from "./plan.ts";

const NOTHING = "/bin/sh -c #(nop) ";

export function inClassicWords({ comment: _, createdBy, ...entry }: PlannedHistory): PlannedHistory {
  // What was given for an ARG is said by the RUNs that have it.
  const text = createdBy.startsWith("ARG ") ? (entry.instruction ?? createdBy) : createdBy;
  return { ...entry, comment: "", createdBy: words(text.replace(/ # buildkit$/, "")) };
}

/** A RUN is its command; of the others it is said that they run nothing. */
function words(text: string): string {
  const [, keyword = "", rest = ""] = /^(\S+) ?([^]*)$/.exec(text) ?? [];
  if (keyword === "RUN") return rest;
  if (keyword === "COPY" || keyword === "ADD") return `${NOTHING}${keyword} ${rest.replace(/ (?=\S+$)/, " in ")} `;
  if (keyword === "WORKDIR") return `${NOTHING}${text}`;
  if (keyword === "EXPOSE") return `${NOTHING} EXPOSE ${rest.replace(/^(?:map)?\[(.*)\]$/, "$1").replaceAll(":{}", "")}`;
  return `${NOTHING} ${text}`;
}
