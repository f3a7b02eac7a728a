/** The image that a state makes, and what a classic build adds to it on the way. */
import { normalizePlatform } from "#spec/platform.ts";
import { inClassicWords } from "./classic-history.ts";
import { finishConfig, type ImageState, note, putInto } from "./image-state.ts";
import type { PlannedImage } from "./plan.ts";
import type { PlanScope } from "./scene.ts";

export function plannedImage({ input, epoch, target }: PlanScope, state: ImageState): PlannedImage {
  const { platforms, classic } = input.request;
  return {
    platform: normalizePlatform(platforms.length === 0 ? state.madeFor : target),
    step: state.step,
    config: finishConfig(state.config),
    author: state.author,
    baseHistory: state.baseHistory,
    history: classic === true ? state.history.map(inClassicWords) : state.history,
    ...(state.base !== undefined && { base: state.base }),
    ...(epoch !== undefined && { sourceDateEpoch: epoch }),
  };
}

/** The request's labels, without a word in the history. */
export const withLabels = (state: ImageState, labels: Readonly<Record<string, string>>): ImageState => ({ ...state, config: { ...state.config, Labels: { ...(state.config["Labels"] as object | undefined), ...labels } } });

/** The image as it is now, whatever becomes of the state. */
export function imageNow(scope: PlanScope, state: ImageState): PlannedImage {
  // Of these finishConfig makes maps of its own, and there may be 131,070 ports.
  const { Labels, ExposedPorts, Volumes, ...rest } = state.config;
  return plannedImage(scope, { ...state, config: { ...structuredClone(rest), Labels, ExposedPorts, Volumes }, history: [...state.history] });
}

/** The request's labels as instructions of the classic builder: each is added when it is its turn. */
export function* addLabels({ input, steps }: PlanScope, state: ImageState): Generator<string> {
  for (const [key, value] of Object.entries(input.request.labels).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const text = `LABEL ${key}=${value}`;
    steps.spend(text.length);
    putInto(state, "Labels", [[key, value]]);
    note(state, text, { instruction: text });
    yield text;
  }
}
