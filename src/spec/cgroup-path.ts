/** Where a container is in the tree of control groups. Pure. */
import { fail } from "#base/errors.ts";

/**
 * A cgroup path as the kernel's tree has it: absolute, without "." or "..", no control characters, names of at most 255
 * bytes. Relative ones are below the root. @throws invalid (ID-16)
 */
export function checkCgroupPath(path: string): string {
  const names = path.split("/").filter((name) => name !== "");
  const bad = (why: string) => fail("invalid", `invalid cgroup path ${JSON.stringify(path)}: ${why}`);
  if (names.length === 0) throw bad("it names the root");
  for (const name of names) {
    if (name === "." || name === "..") throw bad(`${JSON.stringify(name)} is not allowed`);
    if (/[\u0000-\u001f\u007f]/.test(name)) throw bad("control characters are not allowed");
    if (Buffer.byteLength(name) > 255) throw bad("a name is longer than 255 bytes");
    if (/^(cgroup|tasks$|notify_on_release$|release_agent$)/.test(name) || /^(cpu|cpuset|cpuacct|memory|io|blkio|pids|devices|freezer|hugetlb|rdma|misc|net_cls|net_prio|perf_event)\./.test(name)) {
      throw bad(`${JSON.stringify(name)} is the name of a control file`);
    }
  }
  if (names.length > 16) throw bad("it is deeper than 16");
  return "/" + names.join("/");
}

/** Where a container's groups go: below `parent` ("" is the default "/gantry"). */
export function cgroupPath(parent: string, id: string): string {
  return checkCgroupPath(`${parent === "" ? "/gantry" : parent}/${id}`);
}
