import { inOwnNetwork } from "../../../test/fixtures/network-host.ts";
import { networkDriverSuite } from "../../../test/suites/network-driver.ts";

inOwnNetwork(import.meta.url, () => networkDriverSuite({ driver: "bridge" }));
