import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUsage } from "./usage.ts";

const stat = "cpu  100 1 50 800 10 2 3 0 0 0\ncpu0 50 1 25 400 5 1 2 0 0 0\ncpu1 50 0 25 400 5 1 1 0 0 0\nintr 5\n";
const meminfo = "MemTotal:       1024 kB\nMemFree: 1 kB\n";
const net = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0
`;

test("v1", () => {
  const usage = parseUsage({
    version: "1",
    files: {
      cpuUsage: "123456789\n", cpuEach: "100 200 \n", cpuSplit: "user 3\nsystem 4\n", cpuStat: "nr_periods 5\nnr_throttled 2\nthrottled_time 77\n",
      memoryUsage: "4096\n", memoryLimit: "9223372036854771712\n", memoryMost: "8192\n", memoryFailures: "1\n", memoryStat: "cache 10\ntotal_inactive_file 20\n",
      pidsCurrent: "3\n", pidsLimit: "max\n", io: "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n", ioOps: "8:0 Read 1\nTotal 1\n",
    },
    stat, meminfo, net,
  });
  assert.deepEqual(usage.cpu, { total: 123456789, user: 30_000_000, kernel: 40_000_000, each: [100, 200] });
  assert.deepEqual(usage.throttling, { periods: 5, throttled: 2, nanoseconds: 77 });
  assert.deepEqual(usage.host, { cpu: 966 * 10_000_000, cpus: 2 });
  assert.deepEqual(usage.memory, { usage: 4096, limit: 1024 * 1024, most: 8192, failures: 1, stat: { cache: 10, total_inactive_file: 20 } });
  assert.deepEqual(usage.pids, { current: 3, limit: undefined });
  assert.deepEqual(usage.bytes, [{ major: 8, minor: 0, op: "Read", value: 4096 }, { major: 8, minor: 0, op: "Write", value: 0 }, { major: 8, minor: 0, op: "Total", value: 4096 }]);
  assert.deepEqual(usage.operations, [{ major: 8, minor: 0, op: "Read", value: 1 }]);
  assert.deepEqual(usage.interfaces, { eth0: { received: { bytes: 1000, packets: 10, errors: 1, dropped: 2 }, sent: { bytes: 2000, packets: 20, errors: 3, dropped: 4 } } });
});

test("v2", () => {
  const cpu = "usage_usec 1000\nuser_usec 600\nsystem_usec 400\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\n";
  const usage = parseUsage({
    version: "2",
    files: { cpuUsage: cpu, cpuStat: cpu, memoryUsage: "4096\n", memoryLimit: "65536\n", memoryStat: "anon 1\ninactive_file 20\n", pidsCurrent: "3\n", pidsLimit: "17\n", io: "8:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=0 dios=0\n" },
    stat, meminfo, net: "",
  });
  assert.deepEqual(usage.cpu, { total: 1_000_000, user: 600_000, kernel: 400_000 });
  assert.deepEqual(usage.throttling, { periods: 5, throttled: 2, nanoseconds: 7000 });
  assert.deepEqual(usage.memory, { usage: 4096, limit: 65536, stat: { anon: 1, inactive_file: 20 } });
  assert.deepEqual(usage.pids, { current: 3, limit: 17 });
  assert.deepEqual(usage.bytes, [{ major: 8, minor: 0, op: "read", value: 4096 }, { major: 8, minor: 0, op: "write", value: 1 }]);
  assert.deepEqual(usage.operations, [{ major: 8, minor: 0, op: "read", value: 2 }, { major: 8, minor: 0, op: "write", value: 3 }]);
  assert.deepEqual(usage.interfaces, {});
});

test("a container that has just ended uses nothing", () => {
  const usage = parseUsage({ version: "1", files: {}, stat, meminfo, net: "" });
  assert.deepEqual([usage.cpu.total, usage.memory.usage, usage.pids.current, usage.bytes], [0, 0, 0, []]);
});
