/** Which kernel and processor a host has, as far as formats depend on it. Pure. */

export type Arch = "x86_64" | "aarch64";

/** [6, 18] */
export type KernelVersion = readonly [major: number, minor: number];

/** "6.18.44-fc" → [6, 18]. */
export function parseKernelRelease(text: string): KernelVersion {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}

export function kernelAtLeast({ kernel }: { readonly kernel: KernelVersion }, major: number, minor: number): boolean {
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}
