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
export function driverOf(name = "bridge"): NetworkDriver {
  const driver = DRIVERS[name];
  if (driver === undefined) throw fail("not-found", `could not find plugin ${name} in v1 plugin registry: plugin not found`);
  return driver;
}
