/** What of the kernel a container reaches: rows ID-20, ID-21, KRN-01, and the contract's small print, seen from inside. */
import assert from "node:assert/strict";
import { readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import x32 from "#runtime/syscalls/x32.json" with { type: "json" };
import x86 from "#runtime/syscalls/x86.json" with { type: "json" };
import x86_64 from "#runtime/syscalls/x86_64.json" with { type: "json" };
import { DEFAULT_PROFILE } from "#spec/seccomp-default.ts";
import { attacks } from "./attack.ts";

const { attack } = attacks("kernel");

const notHere = process.arch !== "x64" && "numbers of x86";

/** "what<TAB>value" lines as a map; of equal names the last. */
const table = (text: string) => new Map(text.split("\n").map((line) => line.split("\t") as [string, string]));

/** Not one of these is for a container that was given nothing. */
const denied = `acct add_key bpf delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load
  kexec_load keyctl lsm_get_self_attr lsm_list_modules lsm_set_self_attr mbind migrate_pages mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise
  quotactl quotactl_fd reboot request_key setdomainname set_mempolicy sethostname setns settimeofday swapoff swapon syslog umount umount2 unshare uselib userfaultfd vm86 vmsplice_none
  adjtimex_none clock_settime create_module lookup_dcookie get_mempolicy`.split(/\s+/).filter((name) => !name.endsWith("_none"));

const ways: [way: string, numbers: Readonly<Record<string, number>>][] = [["x86_64", x86_64], ["i386", x86], ["x32", x32]];

attack("ID-20 KRN-01 system calls that containers do not have, by every way into the kernel", async ({ cli }) => {
  const answers = table(await cli.ok("run", "--rm", "box", "inside", "syscalls"));
  for (const [way, numbers] of ways) {
    let asked = 0;
    for (const name of denied) {
      const answer = answers.get(`${way} ${numbers[name]}`);
      if (numbers[name] === undefined || answer === undefined) continue;
      asked++;
      assert.match(answer, /^(EPERM|ENOSYS)$/, `${way} ${name}`);
    }
    assert.ok(way === "x32" || asked > 40, `${way}: ${asked}`);
  }
  for (const way of ["x86_64", "i386"]) assert.equal(answers.get(`${way} 435`), "ENOSYS", `clone3, ${way}: so that the C library falls back to clone`);
  assert.equal(answers.get(`x86_64 ${x86_64.openat}`), "EFAULT", "what is allowed reaches the kernel");
  const [exec, privileged] = await Promise.all([
    cli.ok("run", "-d", "--name", "box", "box", "sleep", "60").then(() => cli.ok("exec", "--privileged", "box", "inside", "syscalls")),
    cli.ok("run", "--rm", "--cap-add", "SYS_ADMIN", "box", "inside", "syscalls"),
  ]);
  assert.equal(table(exec).get(`x86_64 ${x86_64.mount}`), "EPERM", "exec --privileged keeps the container's filter");
  assert.notEqual(table(privileged).get(`x86_64 ${x86_64.fsopen}`), "EPERM", "what a capability stands for is let through with it");
  assert.equal(table(privileged).get(`x86_64 ${x86_64.keyctl}`), "EPERM");
  assert.notEqual(table(privileged).get("x86_64 435"), "ENOSYS");
}, { skip: notHere });

attack("ID-20 clone may make no namespace, personality only what is harmless", async ({ cli }) => {
  for (const command of ["unshare -U true", "unshare -m true", "unshare -n true", "unshare -r id", "nsenter -t 1 -m true", "mount -t proc x /tmp", "umount /proc/keys", "chroot / mount --bind / /tmp", "dmesg", "hostname other", "swapoff -a x", "mount -o remount,rw /sys", "mount -o remount,rw,bind /proc/sys"]) {
    const { code, stdout, stderr } = await cli("run", "--rm", "box", "sh", "-c", command);
    assert.notEqual(code, 0, command);
    assert.match(stdout + stderr, /not permitted|denied|Invalid argument|no swap|failed|can't/i, command);
  }
});

attack("ID-21 sockets that lead into the kernel's cryptography and to the hypervisor are denied", async ({ cli }) => {
  for (const flags of [[], ["--cap-add", "ALL"]]) {
    const answers = table(await cli.ok("run", "--rm", ...flags, "box", "inside", "sockets"));
    for (const type of [1, 2, 3]) for (const family of [38, 40]) assert.equal(answers.get(`socket ${family} ${type}`), "EPERM", `family ${family}`);
    assert.equal(answers.get("socket 2 1"), "ok");
    assert.equal(answers.get("socket 16 3"), "ok", "netlink");
  }
  const without = table(await cli.ok("run", "--rm", "--cap-drop", "NET_RAW", "box", "inside", "sockets"));
  assert.equal(without.get("socket 17 3"), "EPERM", "packets, without NET_RAW");
});

attack("KRN-01 control groups are read-only, and nothing of them calls back to the host", async ({ cli }) => {
  const lines = (await cli.ok("run", "--rm", "box", "inside", "cgroups")).split("\n");
  assert.ok(lines.length > 5);
  for (const line of lines.filter((one) => / write /.test(one))) assert.match(line, /write (EROFS|EACCES)/, line);
  const { stderr } = await cli("run", "--rm", "box", "sh", "-c", "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir $d/x; echo 1 > $d/notify_on_release; done");
  assert.doesNotMatch(stderr.replace(/^.*(Read-only|nonexistent|No such|denied|create).*$/gm, ""), /\S/);
});

attack("the contract's small print: namespaces, limits, umask, signals, keys", async ({ cli, engine }) => {
  const seen = (await cli.ok("run", "--rm", "--hostname", "told", "box", "inside", "status")).split("\n").map((line) => line.split("\t") as [string, string]);
  const facts = new Map(seen);
  assert.deepEqual(Object.fromEntries(["status Umask", "status SigBlk", "status SigIgn", "status SigCgt", "status NoNewPrivs", "status Seccomp", "status Seccomp_filters", "securebits", "keepcaps", "dumpable", "death signal", "subreaper", "personality", "session", "oom_score_adj", "hostname", "domainname", "cwd", "keyring"].map((name) => [name, facts.get(name)])), {
    "status Umask": "0022", "status SigBlk": "0000000000000000", "status SigIgn": "0000000000000000", "status SigCgt": "0000000000000000", "status NoNewPrivs": "0", "status Seccomp": "2", "status Seccomp_filters": "1",
    securebits: "0", keepcaps: "0", dumpable: "1", "death signal": "0", subreaper: "0", personality: "0", session: "leader", oom_score_adj: "0", hostname: "told", domainname: "(none)", cwd: "/", keyring: "EPERM",
  });
  const hosts = new Set(["ipc", "mnt", "net", "pid", "uts", "time"].map((name) => readlinkSync(`/proc/${engine.pid}/ns/${name}`)));
  assert.deepEqual(seen.filter(([name, value]) => name === "namespace" && hosts.has(value)), [], "a namespace of the host's");
  const keyring = async (...flags: string[]) => table(await cli.ok("run", "--rm", ...flags, "box", "inside", "status")).get("keyring");
  const keyrings = await Promise.all([["--security-opt", "seccomp=unconfined"], ["--security-opt", "seccomp=unconfined"], ["--privileged"]].map((flags) => keyring(...flags)));
  assert.equal(new Set(keyrings).size, 3, `a session keyring each: ${keyrings}`);
  const environment = seen.filter(([name]) => name === "env").map(([, value]) => value.split("=")[0]);
  assert.deepEqual(environment.sort(), ["HOME", "HOSTNAME", "PATH"], "nothing of the engine's environment");
  assert.equal(facts.get("rlimit 7")?.split(" ")[0], "1024", "what Node raised is given back");
});

attack("a privileged container is one on purpose, and its exec is not more than that", async ({ cli }) => {
  const seen = table(await cli.ok("run", "--rm", "--privileged", "box", "inside", "status"));
  assert.deepEqual([seen.get("status Seccomp"), seen.get("status CapInh"), seen.get("status CapAmb")], ["0", "0000000000000000", "0000000000000000"]);
  const user = table(await cli.ok("run", "--rm", "--privileged", "--user", "1000", "box", "inside", "status"));
  assert.deepEqual([user.get("status CapEff"), user.get("status CapPrm")], ["0000000000000000", "0000000000000000"]);
  const narrow = table(await cli.ok("run", "--rm", "--security-opt", "no-new-privileges", "-u", "1000", "box", "inside", "status"));
  assert.deepEqual([narrow.get("status NoNewPrivs"), narrow.get("status Seccomp")], ["1", "2"]);
});

attack("a filter from before close_range, or one that kills for it, is no obstacle", async ({ cli, engine }) => {
  const profile = join(engine.place.folder, "old.json");
  const without = { ...DEFAULT_PROFILE, syscalls: (DEFAULT_PROFILE.syscalls ?? []).map((rule) => ({ ...rule, names: (rule.names ?? []).filter((name) => name !== "close_range") })) };
  for (const changed of [without, { ...without, syscalls: [...without.syscalls, { names: ["close_range"], action: "SCMP_ACT_KILL_PROCESS" }] }]) {
    writeFileSync(profile, JSON.stringify(changed));
    assert.equal(await cli.ok("run", "--rm", "--security-opt", `seccomp=${profile}`, "box", "sh", "-c", "ls /proc/self/fd | wc -l"), "4");
    assert.equal(await cli.ok("run", "--rm", "--security-opt", "no-new-privileges", "--security-opt", `seccomp=${profile}`, "box", "sh", "-c", "ls /proc/self/fd | wc -l"), "4");
  }
});
