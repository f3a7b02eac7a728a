/**
 * Volumes: folders that outlive containers, and the ways a container asks for something to be mounted.
 *
 *     parseBind("data:/var/lib/x:ro")          // what -v says
 *     localVolumeMake(root, "data")            // the program that makes <root>/data/_data
 *     copyUpProgram({ … })                     // fills an empty volume with what the image has at its place
 *
 * Decisions and programs, and the drivers that perform them: `local` here, plugins elsewhere. `engine/volumes` holds the
 * records, and counts who uses what.
 */
export type { DriverVolume, VolumeDriver, VolumeDrivers, VolumeScope } from "./driver.ts";
export { parseBind, parseVolumesFrom, type BindSpec } from "./bind.ts";
export { checkVolumeName, cloneProgram, FILLED, localVolumeMake, localVolumePath, localVolumeRename, MAKING, pourProgram, quotaProgram, removeEmptyProgram, stageProgram, syncProgram, unstageProgram, volumeUsage } from "./local.ts";
export { localDriver, type LocalDriver, quotaFailure } from "./local-driver.ts";
export { parseLocalOptions } from "./local-options.ts";
export { copyInPlace, lookForContent, copyUpProgram, FIND_CONTENT, FULL, type CopyUp } from "./copy-up.ts";
