/** `--attest`, `--provenance`, `--sbom`, as attributes of the frontend. */
import { fail } from "#base/errors.ts";
import { parseBool } from "../../flags/kinds.ts";
import { splitCsv } from "#spec/csv.ts";

/** @throws invalid */
export function parseAttestations({ attest, provenance, sbom }: { readonly attest: readonly string[]; readonly provenance: string; readonly sbom: string }): Record<string, string> {
  const found: Record<string, string> = {};
  for (const text of [...attest, ...spelled("provenance", provenance), ...spelled("sbom", sbom)].filter((each) => each !== "")) {
    const { type, isDisabled } = read(text);
    const key = `attest:${type}`;
    if (found[key] !== undefined) throw fail("invalid", `duplicate attestation field ${type}`);
    found[key] = isDisabled ? "" : text;
  }
  return Object.fromEntries(Object.entries(found).filter(([, text]) => text !== ""));
}

/** "true" and "false" are short for the type alone, and for none of it. */
function spelled(type: string, value: string): string[] {
  if (value === "") return [];
  try {
    return [`type=${type},disabled=${!parseBool(value)}`];
  } catch {
    return [`type=${type},${value}`];
  }
}

function read(text: string): { type: string; isDisabled: boolean } {
  let type = "";
  let isDisabled = false;
  for (const field of splitCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw fail("invalid", `invalid value ${field}`);
    const key = field.slice(0, equals).trim().toLowerCase();
    if (key === "type") type = field.slice(equals + 1);
    if (key === "disabled") isDisabled = parseBool(field.slice(equals + 1));
  }
  if (type === "") throw fail("invalid", "attestation type not specified");
  return { type, isDisabled };
}
