import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";

export type DeviceRequest = {
  readonly Driver: string;
  readonly Count: number;
  readonly DeviceIDs: readonly string[] | null;
  readonly Capabilities: readonly (readonly string[])[];
  readonly Options: Readonly<Record<string, string>>;
};

/** "all", "2", or "device=0,driver=nvidia,capabilities=compute". The engine says what it can give. */
export function parseGpus(value: string): DeviceRequest {
  const request = { Driver: "", Count: 0, DeviceIDs: null as string[] | null, Options: {} as Record<string, string> };
  let capabilities = ["gpu"];
  const seen = new Set<string>();
  for (const field of splitCsv(value)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const text = equals < 0 ? "" : field.slice(equals + 1);
    if (seen.has(key)) throw fail("invalid", `gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (equals < 0) {
      seen.add("count");
      request.Count = parseCount(key);
    } else if (key === "driver") request.Driver = text;
    else if (key === "count") request.Count = parseCount(text);
    else if (key === "device") request.DeviceIDs = text.split(",");
    else if (key === "capabilities") capabilities = [...text.split(","), "gpu"];
    else if (key === "options") {
      for (const option of splitCsv(text)) {
        const [name = "", ...rest] = option.split("=");
        request.Options[name] = rest.join("=");
      }
    } else throw fail("invalid", `unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === null) request.Count = 1;
  return { ...request, Capabilities: [capabilities] };
}

function parseCount(text: string): number {
  if (text === "all") return -1;
  if (!/^[+-]?\d+$/.test(text)) {
    throw fail("invalid", `invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  }
  return Number(text);
}
