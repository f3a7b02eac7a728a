import { fail } from "#base/errors.ts";
import { parseSize } from "../flags/units.ts";

export type BlockWeight = { readonly Path: string; readonly Weight: number };
export type BlockRate = { readonly Path: string; readonly Rate: number };

export function parseBlockWeight(value: string): BlockWeight {
  const [path, weight] = splitDevice(value);
  if (!/^\d+$/.test(weight)) throw fail("invalid", `invalid weight for device: ${value}`);
  const number = Number(weight);
  if (number > 0 && (number < 10 || number > 1000)) throw fail("invalid", `invalid weight for device: ${value}`);
  return { Path: path, Weight: number };
}

export function parseBlockRate(unit: "bytes" | "operations"): (value: string) => BlockRate {
  return (value) => {
    const [path, rate] = splitDevice(value);
    const start = `invalid rate for device: ${value}. The correct format is <device-path>:<number>`;
    if (unit === "operations") {
      if (!/^\d+$/.test(rate)) throw fail("invalid", `${start}. Number must be a positive integer`);
      return { Path: path, Rate: Number(rate) };
    }
    try {
      return { Path: path, Rate: parseSize(rate) };
    } catch {
      throw fail("invalid", `${start}[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`);
    }
  };
}

function splitDevice(value: string): [path: string, rest: string] {
  const colon = value.indexOf(":");
  if (colon <= 0) throw fail("invalid", `bad format: ${value}`);
  const path = value.slice(0, colon);
  if (!path.startsWith("/dev/")) throw fail("invalid", `bad format for device path: ${value}`);
  return [path, value.slice(colon + 1)];
}
