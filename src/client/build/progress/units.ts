/** "1.05MB", "31B": powers of 1000, as BuildKit's progress has them. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes}B`;
  let value = bytes / 1000;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${value.toFixed(2)}${UNITS[unit]}`;
}

const UNITS = ["kB", "MB", "GB", "TB", "PB"];

/** How much of something was moved: "1.05MB / 3.00MB", "31B", "". */
export function amountText({ current, total }: { readonly current: number; readonly total: number }): string {
  if (total !== 0) return `${bytesText(current)} / ${bytesText(total)}`;
  return current === 0 ? "" : bytesText(current);
}
