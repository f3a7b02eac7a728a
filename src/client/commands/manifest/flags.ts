import { bool } from "../../flags/kinds.ts";

/** Docker's client asks registries itself; here the engine does, which has a list of its own (`insecure-registries`). */
export const INSECURE = bool("", "Has no effect: the engine's insecure-registries say where plain HTTP is allowed");
