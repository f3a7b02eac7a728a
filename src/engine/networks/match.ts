/** Which networks a filter lets through: Docker's rules. Pure. */
import { fail } from "#base/errors.ts";
import type { NetworkRecord } from "#network/network.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, matchesLabels, matchesPattern } from "../filters.ts";

export const PREDEFINED: readonly string[] = ["bridge", "host", "none"];

/** Values of one key are alternatives, keys are conditions; labels are conditions each. `used`: a container is in it. */
export function matchesNetwork(network: NetworkRecord, filters: Filters, used: (network: NetworkRecord) => boolean): boolean {
  const some = (key: string, test: (value: string) => boolean) => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  const predefined = PREDEFINED.includes(network.name);
  const dangling = booleanFilter(filters, "dangling");
  return (
    some("driver", (value) => network.driver === value) &&
    some("id", (value) => network.id.startsWith(value) || matchesPattern(value, [network.id])) &&
    some("name", (value) => matchesPattern(value, [network.name])) &&
    some("scope", (value) => value === "local") &&
    some("type", (value) => (isCustom(value) ? !predefined : predefined)) &&
    (dangling === undefined || (!predefined && !used(network)) === dangling) &&
    matchesLabels(filters, network.labels)
  );
}

function isCustom(type: string): boolean {
  if (type !== "custom" && type !== "builtin") throw fail("invalid", `invalid filter: 'type'='${type}'`);
  return type === "custom";
}
