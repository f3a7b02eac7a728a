import { snapshotSuite } from "../../../test/suites/snapshots.ts";
import { drivers } from "./driver.ts";

for (const driver of Object.keys(drivers)) snapshotSuite(driver as "overlay" | "vfs");
