/** --device, --device-cgroup-rule, --privileged: devices of the host, looked up. */
import type { Stats } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import type { DeviceMapping, HostConfig } from "#spec/docker.ts";
import type { Device, DeviceRule } from "#spec/oci-runtime.ts";

export type ContainerDevices = { readonly devices: readonly Device[]; readonly rules: readonly DeviceRule[] };

const DENY_ALL: DeviceRule = { allow: false, access: "rwm" };
const ALLOW_ALL: DeviceRule = { allow: true, access: "rwm" };

/** What a container may use besides what all may. Reads /dev of the host. @throws invalid, with Docker's texts */
export async function containerDevices(hostConfig: Pick<HostConfig, "Privileged" | "Devices" | "DeviceCgroupRules">): Promise<ContainerDevices> {
  const mapped = await Promise.all((hostConfig.Devices ?? []).map(mappedDevices));
  const extra = (hostConfig.DeviceCgroupRules ?? []).map(parseRule);
  if (hostConfig.Privileged) {
    const own = mapped.flatMap((one) => one.devices);
    return { devices: [...(await hostDevices()), ...own], rules: [ALLOW_ALL] };
  }
  return { devices: mapped.flatMap((one) => one.devices), rules: [DENY_ALL, ...mapped.flatMap((one) => one.rules), ...extra] };
}

/** A device, or all below a folder. */
async function mappedDevices({ PathOnHost: onHost, PathInContainer: inside, CgroupPermissions: access }: DeviceMapping): Promise<{ devices: Device[]; rules: DeviceRule[] }> {
  const gather = (why: string) => fail("invalid", `error gathering device information while adding custom device "${onHost}": ${why}`);
  const path = await realpath(onHost).catch(() => {
    throw gather("no such file or directory");
  });
  const found = await lstat(path);
  const single = deviceOf(inside, found);
  const devices = single !== undefined ? [single] : found.isDirectory() ? await devicesBelow(path, inside) : [];
  if (devices.length === 0) throw gather("not a device node");
  return { devices, rules: devices.map((device) => ruleOf(device, access || "rwm")) };
}

const ruleOf = ({ type, major = 0, minor = 0 }: Device, access: string): DeviceRule => ({ allow: true, type: type === "b" ? "b" : "c", major, minor, access });

/** Names that stand for other file systems, or for this process. */
const SKIPPED_FOLDERS = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);

const hostDevices = () => devicesBelow("/dev", "/dev");

async function devicesBelow(folder: string, inside: string): Promise<Device[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry): Promise<Device[]> => {
      const [path, name] = [`${folder}/${entry.name}`, `${inside}/${entry.name}`];
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : await devicesBelow(path, name);
      if (entry.name === "console" || !(entry.isCharacterDevice() || entry.isBlockDevice())) return [];
      const stats = await lstat(path).catch(() => undefined);
      const device = stats === undefined ? undefined : deviceOf(name, stats);
      return device === undefined ? [] : [device];
    }),
  );
  return found.flat();
}

function deviceOf(path: string, stats: Stats): Device | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  const [major, minor] = splitNumber(stats.rdev);
  return { path, type: stats.isBlockDevice() ? "b" : "c", major, minor, fileMode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
}

/** dev_t as the C library packs it. */
function splitNumber(rdev: number): [number, number] {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return [Number(major), Number(minor & 0xffffffffn)];
}

/** "c 10:200 rwm". */
function parseRule(text: string): DeviceRule {
  const [, type, major, minor, access] = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined || access === undefined) throw fail("invalid", `invalid device cgroup rule format: '${text}'`);
  return {
    allow: true,
    type: type as "a" | "c" | "b",
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}
