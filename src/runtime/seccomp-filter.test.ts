import assert from "node:assert/strict";
import { test } from "node:test";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Arch } from "#spec/kernel.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompOperator } from "#spec/oci-runtime.ts";
import { DEFAULT_PROFILE } from "#spec/seccomp-default.ts";
import { resolveProfile } from "#spec/seccomp-profile.ts";
import { actionValue, seccompFilter } from "./seccomp-filter.ts";
import { ABIS, type Abi, NATIVE_ABI } from "./syscalls.ts";

const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const ALLOW = 0x7fff0000;
const KILL = 0;
const DEFAULT_CAPS = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE".split(" ").map((name) => `CAP_${name}`);

/** What the kernel does with a filter; every jump forward and every load is checked as the kernel checks it. */
function run(filter: Buffer, { nr, arch, args }: { nr: number; arch: number; args: readonly bigint[] }): { value: number; steps: number } {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0, steps = 1; ; at++, steps++) {
    assert.ok(at < filter.length / 8, "the filter runs off its end");
    const [code, yes, no, k] = [filter.readUInt16LE(at * 8), filter[at * 8 + 2]!, filter[at * 8 + 3]!, filter.readUInt32LE(at * 8 + 4)];
    const jump = (holds: boolean) => (at += holds ? yes : no);
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x06) return { value: k, steps };
    else if (code === 0x05) at += k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else assert.fail(`instruction ${at} has code ${code}`);
  }
}

/** The meaning of the specification's filter for one number, read from it naively. */
function meaning(seccomp: Seccomp, abi: Abi, number: number): (args: readonly bigint[]) => number {
  const fallback = actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const names = new Set(Object.keys(abi.numbers).filter((name) => abi.numbers[name] === number));
  const rules = (seccomp.syscalls ?? []).filter((rule) => rule.names.some((name) => names.has(name)) && actionValue(rule.action, rule.errnoRet) !== fallback);
  const plain = rules.find((rule) => (rule.args ?? []).length === 0);
  const newest = Math.max(...(seccomp.syscalls ?? []).flatMap((rule) => rule.names).map((name) => abi.numbers[name] ?? -1).filter((one) => one < 0xf0000));
  const otherwise = seccomp.defaultAction === "SCMP_ACT_ERRNO" && number > newest && number < 0xf0000 ? ENOSYS : fallback;
  return (args) => {
    if (plain !== undefined) return actionValue(plain.action, plain.errnoRet);
    for (const rule of rules) {
      const matches = (rule.args ?? []).map((arg) => holds(arg, abi.wide ? args[arg.index]! : args[arg.index]! & 0xffffffffn, abi.wide));
      const twice = new Set(rule.args!.map((arg) => arg.index)).size < rule.args!.length;
      if (twice ? matches.some(Boolean) : matches.every(Boolean)) return actionValue(rule.action, rule.errnoRet);
    }
    return otherwise;
  };
}

function holds({ op, value, valueTwo = 0 }: SeccompArg, argument: bigint, wide: boolean): boolean {
  const cut = (one: number) => (wide ? BigInt.asUintN(64, BigInt(one)) : BigInt(one) & 0xffffffffn);
  const a = cut(value);
  const answers: Record<SeccompOperator, boolean> = {
    SCMP_CMP_NE: argument !== a,
    SCMP_CMP_LT: argument < a,
    SCMP_CMP_LE: argument <= a,
    SCMP_CMP_EQ: argument === a,
    SCMP_CMP_GE: argument >= a,
    SCMP_CMP_GT: argument > a,
    SCMP_CMP_MASKED_EQ: (argument & a) === cut(valueTwo),
  };
  return answers[op];
}

const ARGUMENTS: readonly (readonly bigint[])[] = [0n, 1n, 8n, 16n, 17n, 37n, 38n, 39n, 40n, 41n, 0x20000n, 0x20008n, 0x10000000n, 0x7e020000n, 0x1200011n, 0xffffffffn, 0x100000000n, 0x100000008n, 0xffffffffffffffffn].map(
  (first) => [first, 7n, 0n, 0n, 0n, first],
);

function abisOf(arch: Arch, seccomp: Seccomp): Abi[] {
  const names = seccomp.architectures ?? [ABIS[NATIVE_ABI[arch]].name];
  return Object.values(ABIS).filter((abi) => abi.machine === arch && names.includes(abi.name));
}

const ALL_NUMBERS = [...Array.from({ length: 560 }, (_, number) => number), 0xeffff, 0xf0000, 0xf0001, 0xf0002, 0xf0005, 0xf0006, 0x3fffffff];

/** Calls of every architecture, with every sample of arguments. */
function compareAll(seccomp: Seccomp, arch: Arch, numbersOf = (_: Abi) => ALL_NUMBERS): number {
  const filter = seccompFilter(seccomp, arch);
  assert.ok(filter.length / 8 <= 4096);
  let compared = 0;
  for (const abi of abisOf(arch, seccomp)) {
    for (const number of numbersOf(abi)) {
      const expected = meaning(seccomp, abi, number);
      for (const args of ARGUMENTS) {
        const { value } = run(filter, { nr: number + abi.bit, arch: abi.audit, args });
        if (value !== expected(args)) assert.fail(`${abi.name} ${number}(${args}): 0x${value.toString(16)}, not 0x${expected(args).toString(16)}`);
        compared++;
      }
    }
  }
  return compared;
}

const resolve = (arch: Arch, capabilities: readonly string[]) => resolveProfile(DEFAULT_PROFILE, { arch, kernel: [6, 18], capabilities })!;

for (const arch of ["x86_64", "aarch64"] as const) {
  for (const [title, capabilities] of [["default", DEFAULT_CAPS], ["no", []], ["all", CAPABILITIES]] as const) {
    test(`${arch}, ${title} capabilities: the default filter means what the profile says, for every call`, () => {
      assert.ok(compareAll(resolve(arch, capabilities), arch) > 20_000);
    });
  }
}

test("every comparison, on wide and on narrow arguments", () => {
  const operators: SeccompOperator[] = ["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"];
  for (const op of operators) {
    for (const value of [0, 1, 38, 0x20008, 0xffffffff, 0x100000000, 0x100000008, Number.MAX_SAFE_INTEGER]) {
      const seccomp: Seccomp = {
        defaultAction: "SCMP_ACT_ERRNO",
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        syscalls: [
          { names: ["getpid"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value, valueTwo: 8, op }] },
          { names: ["gettid"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value, valueTwo: 8, op }, { index: 1, value: 7, op: "SCMP_CMP_EQ" }, { index: 5, value: 8, op: "SCMP_CMP_GE" }] },
        ],
      };
      compareAll(seccomp, "x86_64", (abi) => [abi.numbers["getpid"]!, abi.numbers["gettid"]!, 0]);
    }
  }
});

test("an unconditional rule wins, two conditions on one argument are alternatives, later rules are asked after earlier", () => {
  const rules = (action: SeccompAction, args?: SeccompArg[]) => ({ names: ["socket"], action, errnoRet: 97, ...(args === undefined ? {} : { args }) });
  const is = (value: number): SeccompArg => ({ index: 0, value, op: "SCMP_CMP_EQ" });
  const socket = (syscalls: Seccomp["syscalls"], family: bigint) =>
    run(seccompFilter({ defaultAction: "SCMP_ACT_ALLOW", syscalls: syscalls! }, "x86_64"), { nr: 41, arch: ABIS.x86_64.audit, args: [family] }).value;
  assert.equal(socket([rules("SCMP_ACT_ERRNO", [is(38)])], 38n), 0x00050061);
  assert.equal(socket([rules("SCMP_ACT_ERRNO", [is(38)])], 2n), ALLOW);
  assert.equal(socket([rules("SCMP_ACT_ERRNO", [is(38), is(40)])], 40n), 0x00050061);
  assert.equal(socket([rules("SCMP_ACT_ERRNO", [is(38)]), rules("SCMP_ACT_KILL_PROCESS", [is(38)])], 38n), 0x00050061);
  assert.equal(socket([rules("SCMP_ACT_ERRNO", [is(38)]), rules("SCMP_ACT_KILL_PROCESS")], 2n), 0x80000000);
});

test("ID-20: what must not be reachable is not, in any of the three ways to call", () => {
  const filter = seccompFilter(resolve("x86_64", DEFAULT_CAPS), "x86_64");
  const denied = words(`keyctl add_key request_key bpf userfaultfd io_uring_setup io_uring_enter io_uring_register mount umount2 kexec_load
    open_by_handle_at unshare setns pivot_root swapon swapoff init_module finit_module delete_module reboot perf_event_open fsopen fsmount
    fsconfig open_tree move_mount mount_setattr settimeofday acct quotactl syslog sethostname nfsservctl`);
  for (const abi of [ABIS.x86_64, ABIS.x86, ABIS.x32]) {
    const call = (name: string, ...args: bigint[]) => run(filter, { nr: abi.numbers[name]! + abi.bit, arch: abi.audit, args }).value;
    for (const name of denied) if (abi.numbers[name] !== undefined) assert.equal(call(name), EPERM, `${abi.name} ${name}`);
    assert.equal(call("clone3"), ENOSYS, abi.name);
    assert.equal(call("clone", 0x10000011n), EPERM, `${abi.name}: a user namespace`);
    assert.equal(call("clone", 0x1200011n), ALLOW, `${abi.name}: a process`);
    assert.deepEqual([call("socket", 38n), call("socket", 40n)], [EPERM, EPERM], `${abi.name}: AF_ALG, AF_VSOCK`);
    assert.deepEqual([call("socket", 1n), call("socket", 2n), call("socket", 16n)], [ALLOW, ALLOW, ALLOW]);
    assert.deepEqual([call("personality", 0n), call("personality", 0x40000n)], [ALLOW, EPERM]);
    for (const name of words("read write openat execve ptrace mknodat futex chroot")) if (abi.numbers[name] !== undefined) assert.equal(call(name), ALLOW, `${abi.name} ${name}`);
    assert.equal(run(filter, { nr: (abi === ABIS.x32 ? 548 : 480) + abi.bit, arch: abi.audit, args: [] }).value, ENOSYS, `${abi.name}: a call of the future`);
  }
});

const words = (text: string) => text.trim().split(/\s+/);

test("another architecture is killed, and x32 where the profile does not name it", () => {
  const seccomp: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"] };
  const filter = seccompFilter(seccomp, "x86_64");
  assert.equal(run(filter, { nr: 0, arch: ABIS.x86_64.audit, args: [] }).value, ALLOW);
  assert.equal(run(filter, { nr: 0, arch: ABIS.x86.audit, args: [] }).value, KILL);
  assert.equal(run(filter, { nr: 0x40000000, arch: ABIS.x86_64.audit, args: [] }).value, KILL);
  assert.equal(run(filter, { nr: 0, arch: ABIS.aarch64.audit, args: [] }).value, KILL);
});

test("any call is decided in few steps", () => {
  const filter = seccompFilter(resolve("x86_64", DEFAULT_CAPS), "x86_64");
  for (let number = 0; number < 480; number++) {
    const { steps } = run(filter, { nr: number, arch: ABIS.x86_64.audit, args: [0n, 0n, 0n, 0n, 0n, 0n] });
    assert.ok(steps <= 45, `call ${number}: ${steps} steps`);
  }
});

test("what cannot be done is refused with a sentence", () => {
  const refused = (seccomp: Partial<Seccomp>, message: RegExp) => assert.throws(() => seccompFilter({ defaultAction: "SCMP_ACT_ALLOW", ...seccomp }, "x86_64"), message);
  refused({ syscalls: [{ names: ["read"], action: "SCMP_ACT_NOTIFY" }] }, /SCMP_ACT_NOTIFY/);
  refused({ defaultAction: "SCMP_ACT_MAYBE" as SeccompAction }, /no action is named "SCMP_ACT_MAYBE"/);
  refused({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO", args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] }] }, /no argument 6/);
  refused({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO", args: [{ index: 0, value: 0, op: "SCMP_CMP_LIKE" as SeccompOperator }] }] }, /SCMP_CMP_LIKE/);
  refused({ architectures: ["x86"] }, /no architecture is named "x86"/);
});
