/** Which events a filter lets through. Pure. */
import { tryReference, familiarRepository } from "#spec/reference.ts";
import type { EngineEvent } from "#spec/docker.ts";
import type { Filters } from "../engine.ts";
import { matchesLabels } from "../filters.ts";

/** Values of one filter are alternatives, but for labels; filters of different keys all have to hold. */
export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  return (
    some(filters, "event", (value) => event.Action === value || event.Action.startsWith(`${value}:`)) &&
    some(filters, "type", (value) => event.Type === value) &&
    some(filters, "scope", (value) => event.scope === value) &&
    resource(event, filters, "container") &&
    resource(event, filters, "volume") &&
    resource(event, filters, "network") &&
    resource(event, filters, "daemon") &&
    image(event, filters) &&
    matchesLabels(filters, event.Actor.Attributes)
  );
}

function some(filters: Filters, key: string, holds: (value: string) => boolean): boolean {
  const values = filters.get(key) ?? [];
  return values.length === 0 || values.some(holds);
}

/** By the beginning of an id or of a name, as Docker does. */
function resource({ Type, Actor }: EngineEvent, filters: Filters, type: EngineEvent["Type"]): boolean {
  return some(filters, type, (value) => Type === type && (Actor.ID.startsWith(value) || (Actor.Attributes["name"] ?? "").startsWith(value)));
}

/** Of an image's own events the id or the name; of a container's the image it was made from. With or without a tag. */
function image({ Type, Actor }: EngineEvent, filters: Filters): boolean {
  const name = (Type === "image" ? Actor.Attributes["name"] : Actor.Attributes["image"]) ?? "";
  const texts = [Actor.ID, name, withoutTag(name)];
  return some(filters, "image", (value) => (Type === "image" || Type === "container") && (texts.includes(value) || texts.includes(withoutTag(value))));
}

function withoutTag(name: string): string {
  const reference = tryReference(name);
  return reference === undefined ? name : familiarRepository(reference);
}
