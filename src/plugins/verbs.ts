/** Calls of one subsystem of a plugin; what it complains of (`Err`) is an error. */
import { fail } from "#base/errors.ts";
import { text, type Answer } from "./answer.ts";
import type { Plugin, Subsystem } from "./plugins.ts";

export type Verbs = (verb: string, body: object) => Promise<Answer>;

/** `before`: Docker's word before a complaint. A complaint has the fact `said`. */
export function verbs(plugin: Plugin, subsystem: Subsystem, before = ""): Verbs {
  return async (verb, body) => {
    const answer = await plugin.call(`${subsystem}.${verb}`, body);
    // Those that give addresses say it in another field.
    const error = text(answer, "Err") || (subsystem === "IpamDriver" ? text(answer, "Error") : "");
    if (error !== "") throw fail("internal", before + error, { facts: { said: true } });
    return answer;
  };
}
