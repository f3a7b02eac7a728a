import { isAbsolute, normalize } from "node:path";
import { fail } from "#base/errors.ts";

export type DeviceMapping = { readonly PathOnHost: string; readonly PathInContainer: string; readonly CgroupPermissions: string };

/** `--device HOST[:CONTAINER][:rwm]`. */
export function parseDevice(value: string): DeviceMapping {
  const parts = value.split(":");
  if (parts.length > 3 || parts[0] === "") throw fail("invalid", `bad format for path: ${value}`);
  const [host = "", second, third] = parts;
  if (third !== undefined && !isMode(third)) throw fail("invalid", `bad mode specified: ${third}`);
  const secondIsMode = parts.length === 2 && isMode(second!);
  const inside = second === undefined || secondIsMode ? host : second;
  if (!isAbsolute(inside)) throw fail("invalid", `${inside} is not an absolute path`);
  const clean = third === undefined ? normalize(inside) : inside;
  return {
    PathOnHost: second === undefined || secondIsMode ? clean : host,
    PathInContainer: clean,
    CgroupPermissions: third ?? (secondIsMode ? second! : "rwm"),
  };
}

/** "vendor.com/class=name": a device of the Container Device Interface. */
export function isCdiDevice(value: string): boolean {
  return /^[A-Za-z][\w.-]*[A-Za-z0-9]\/[A-Za-z][\w-]*[A-Za-z0-9]=[A-Za-z0-9][\w.:-]*$/.test(value);
}

/** Each of r, w and m at most once. */
function isMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}
