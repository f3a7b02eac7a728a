/** What fetching needs of a step, or of a build that has no steps yet. */
import type { StepContext } from "../solve/solve.ts";

export type SourceContext = Pick<StepContext, "lease" | "client" | "signal" | "log" | "progress">;
