/** The chart that the README shows: a bar for each row, Gantry's share of what dockerd takes. Reads in light and dark. */
import type { Measured } from "./bench.ts";

const width = 820;
const left = 340;
const bar = 18;
const step = 34;
const scale = width - left - 130;

export function chart(measured: readonly Measured[]): string {
  const drawn = measured.filter(({ values }) => values["gantry"] !== undefined && values["dockerd"] !== undefined);
  const height = 56 + drawn.length * step + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    "<title>Gantry beside dockerd: time or memory as a share of dockerd's</title>",
    "<style>text{fill:#24292f}.quiet{fill:#6e7781}.ours{fill:#1f6feb}.theirs{fill:#d0d7de}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#8b949e}.ours{fill:#4493f8}.theirs{fill:#30363d}}</style>",
    `<text x="${left}" y="20" class="quiet">Gantry (blue) as a share of dockerd (grey): shorter is better</text>`,
    ...drawn.map((one, at) => drawRow(one, 40 + at * step)),
    "</svg>",
    "",
  ].join("\n");
}

function drawRow({ row, values }: Measured, top: number): string {
  const ours = values["gantry"] as number;
  const theirs = row.best ? bestOf(values)! : (values["dockerd"] as number);
  const ratio = row.moreIsBetter ? theirs / ours : ours / theirs;
  const length = Math.min(ratio, 1.15) * scale;
  return [
    `<text x="${left - 10}" y="${top + bar - 4}" text-anchor="end">${escape(row.title)}</text>`,
    `<rect class="theirs" x="${left}" y="${top}" width="${scale}" height="${bar}" rx="2"/>`,
    `<rect class="ours" x="${left}" y="${top + 3}" width="${length.toFixed(1)}" height="${bar - 6}" rx="2"/>`,
    `<text class="quiet" x="${left + scale + 8}" y="${top + bar - 4}">${amount(ours)} / ${amount(theirs)} ${row.unit}</text>`,
  ].join("");
}

/** Of the peers. Rows with `best` measure times. */
export function bestOf({ gantry: _, ...others }: Record<string, number>): number | undefined {
  return Object.keys(others).length === 0 ? undefined : Math.min(...Object.values(others));
}

function amount(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(0)}k` : value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
