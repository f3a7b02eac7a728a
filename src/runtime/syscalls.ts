/** Numbers of system calls: one table for each way that a program can call the kernel. */
import aarch64 from "./syscalls/aarch64.json" with { type: "json" };
import arm from "./syscalls/arm.json" with { type: "json" };
import x32 from "./syscalls/x32.json" with { type: "json" };
import x86 from "./syscalls/x86.json" with { type: "json" };
import x86_64 from "./syscalls/x86_64.json" with { type: "json" };
import type { Arch } from "#spec/kernel.ts";

export type AbiName = "x86_64" | "x86" | "x32" | "aarch64" | "arm";

export type Abi = {
  /** As in a profile: "SCMP_ARCH_X86_64". */
  readonly name: string;
  readonly machine: Arch;
  /** AUDIT_ARCH_*: what the kernel tells the filter. */
  readonly audit: number;
  /** Added to the numbers. */
  readonly bit: number;
  /** Whether arguments have 64 bits. */
  readonly wide: boolean;
  readonly numbers: Readonly<Record<string, number>>;
};

export const ABIS: Readonly<Record<AbiName, Abi>> = {
  x86_64: { name: "SCMP_ARCH_X86_64", machine: "x86_64", audit: 0xc000003e, bit: 0, wide: true, numbers: x86_64 },
  x86: { name: "SCMP_ARCH_X86", machine: "x86_64", audit: 0x40000003, bit: 0, wide: false, numbers: x86 },
  x32: { name: "SCMP_ARCH_X32", machine: "x86_64", audit: 0xc000003e, bit: 0x40000000, wide: true, numbers: x32 },
  aarch64: { name: "SCMP_ARCH_AARCH64", machine: "aarch64", audit: 0xc00000b7, bit: 0, wide: true, numbers: aarch64 },
  arm: { name: "SCMP_ARCH_ARM", machine: "aarch64", audit: 0x40000028, bit: 0, wide: false, numbers: arm },
};

export const NATIVE_ABI: Readonly<Record<Arch, AbiName>> = { x86_64: "x86_64", aarch64: "aarch64" };
