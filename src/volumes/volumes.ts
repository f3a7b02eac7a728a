/**
 * Volumes: folders that outlive containers, and the ways a container asks for something to be mounted.
 *
 *     parseBind("data:/var/lib/x:ro")          // what -v says
 *     localVolumeMake(root, "data")            // the program that makes <root>/data/_data
 *     copyUpProgram({ … })                     // fills an empty volume with what the image has at its place
 *
 * Nothing here does anything: decisions and programs. `engine/volumes` holds the records and performs.
 */
export type { DriverVolume, VolumeDriver, VolumeDrivers, VolumeScope } from "./driver.ts";
export { parseBind, parseVolumesFrom, type BindSpec } from "./bind.ts";
export { checkVolumeName, localVolumeMake, localVolumePath, localVolumeRemove, localVolumeUsage } from "./local.ts";
export { copyUpProgram, FIND_CONTENT, type CopyUp } from "./copy-up.ts";
