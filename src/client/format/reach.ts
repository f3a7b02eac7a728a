/** The page of `gantry network explain`: who reaches a container, what it reaches, and why. */
import { alignColumns } from "./columns.ts";
import { escapeControls } from "./escape.ts";

export type Finding = { readonly Who: string; readonly Reachable: boolean; readonly Where: string; readonly Because: string };
export type Reach = {
  readonly Name: string;
  readonly NetworkMode: string;
  readonly Networks: readonly {
    readonly Name: string;
    readonly Driver: string;
    readonly Interface: string;
    readonly Addresses: readonly string[];
    readonly Gateway: boolean;
    readonly Rate?: { readonly Egress: number; readonly Ingress: number };
  }[];
  readonly From: readonly Finding[];
  readonly To: readonly Finding[];
};

export function reachPage({ Name, NetworkMode, Networks, From, To }: Reach, isTerminal: boolean): string {
  const rows = Networks.map((one) => [one.Name, one.Driver, one.Interface, one.Addresses.join(", "), one.Gateway ? "yes" : "no", rateText(one.Rate)]);
  const networks = alignColumns([["NETWORK", "DRIVER", "INTERFACE", "ADDRESSES", "DEFAULT ROUTE", "RATE"], ...rows].map((row) => `  ${row.join("\t")}`), { min: 0, padding: 3 });
  const head = rows.length === 0 ? [`${Name}: network mode ${NetworkMode}`] : [`${Name} is in`, ...networks];
  const lines = [...head, "", "What can reach it", ...From.flatMap(findingLines), "", "What it can reach", ...To.flatMap(findingLines)];
  return `${lines.map((line) => escapeControls(line, isTerminal).trimEnd()).join("\n")}\n`;
}

const findingLines = ({ Who, Reachable, Where, Because }: Finding) => [`  ${Reachable ? "yes" : "no "}  ${Who}: ${Where}`, `       ${Because}`];

const rateText = (rate: { Egress: number; Ingress: number } | undefined) =>
  rate === undefined ? "" : [rate.Egress > 0 ? `up ${bits(rate.Egress)}` : "", rate.Ingress > 0 ? `down ${bits(rate.Ingress)}` : ""].filter((text) => text !== "").join(", ");

/** As it is written for --network-rate. */
function bits(rate: number): string {
  const [size, unit] = ([[1e9, "gbit"], [1e6, "mbit"], [1e3, "kbit"]] as const).find(([size]) => rate >= size) ?? [1, "bit"];
  return `${Number((rate / size).toFixed(3))}${unit}`;
}
