/**
 * Copying between this machine and containers: what `gantry cp` is made of.
 *
 *     const from = parsePlace("web:/etc/hosts");                     // places.ts: which side, which path
 *     const where = placeArchive(source, destination);               // placement.ts: docker cp's rules, pure
 *     for await (const chunk of packTree(source)) …                  // pack.ts: local files as a tar archive
 *     await unpackTree(archive, where);                              // unpack.ts: an archive as local files
 *
 * An archive from an engine is not trusted: whatever it holds, nothing outside the destination is touched (security
 * CP-08). See docs/design/files.md.
 */
export { packTree } from "./pack.ts";
export { localDestination, localSource, parsePlace, validateOutputPath, type Place } from "./places.ts";
export { baseOf, placeArchive, splitEntry, type Destination, type Placement, type Source } from "./placement.ts";
export { unpackTree } from "./unpack.ts";
