/** What a failed build ends with. Pure. */
import { Failure, messageOf } from "#base/errors.ts";
import { keywordOf } from "./steps.ts";

export type FailureMessage = { readonly errorDetail: { readonly code?: number; readonly message: string }; readonly error: string };

/** `text`: of the instruction that failed. The code of a RUN that failed is the client's exit code; one that never ran has none. */
export function failureMessage(error: unknown, text?: string): FailureMessage {
  const { exitCode, classic, started, missing } = factsOf(error);
  const message = typeof classic === "string" ? classic : ((typeof missing === "string" && text !== undefined ? missingFile(text, missing) : undefined) ?? messageOf(error));
  const code = typeof exitCode === "number" && started !== false ? { code: exitCode } : {};
  return { errorDetail: { ...code, message }, error: message };
}

export const factsOf = (error: unknown): Readonly<Record<string, unknown>> => (error instanceof Failure ? error.facts : {});

/** Of COPY and ADD: that there is no such file where it copies from. */
function missingFile(text: string, missing: string): string | undefined {
  const keyword = keywordOf(text);
  if (keyword !== "COPY" && keyword !== "ADD") return undefined;
  const words = text.split(/\s+/);
  const isStage = words.some((word) => word.startsWith("--from="));
  const outside = isStage ? undefined : words.find((word) => word.split("/").includes("..") && word.endsWith(missing));
  if (outside !== undefined) return `${keyword} failed: forbidden path outside the build context: ${outside} ()`;
  return `${keyword} failed: ${isStage ? "" : "file not found in build context or excluded by .dockerignore: "}stat ${missing}: file does not exist`;
}
