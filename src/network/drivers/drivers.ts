/** The drivers that make interfaces, by name. "host" and "null" make none: their networks are always there. */
import { fail } from "#base/errors.ts";
import { bridgeDriver } from "./bridge-driver.ts";
import type { NetworkDriver } from "./driver.ts";
import { ipvlanDriver } from "./ipvlan.ts";
import { macvlanDriver } from "./macvlan.ts";

export const DRIVERS: Readonly<Record<string, NetworkDriver>> = {
  bridge: bridgeDriver,
  macvlan: macvlanDriver,
  ipvlan: ipvlanDriver,
};

/** @throws not-found, with Docker's text for a plugin that nobody has */
export function driverOf(name = "bridge", plugins?: (name: string) => NetworkDriver | undefined): NetworkDriver {
  const driver = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : plugins?.(name);
  if (driver === undefined) throw fail("not-found", `plugin ${JSON.stringify(name)} not found`);
  return driver;
}
