/**
 * Lines of tab-separated cells laid out in columns, as Go's text/tabwriter does: a column is a run of adjacent lines
 * that have a cell there *ended by a tab*, so the last cell of a line is never padded, and a line without the cell
 * begins a new column.
 */
export type Layout = { readonly min: number; readonly padding: number };

/** Docker's tables. */
export const TABLE: Layout = { min: 10, padding: 3 };

export function alignColumns(lines: readonly string[], layout: Layout = TABLE): string[] {
  const cells = lines.map((line) => line.split("\t"));
  const widths = cells.map(() => [] as number[]);
  for (let line = 0; line < cells.length; line++) {
    for (let column = 0; column < cells[line]!.length - 1; column++) {
      if (widths[line]![column] !== undefined) continue;
      let end = line;
      while (end < cells.length && column < cells[end]!.length - 1) end++;
      let width = layout.min;
      for (let at = line; at < end; at++) width = Math.max(width, lengthOf(cells[at]![column]!) + layout.padding);
      // A column of nothing but empty cells still has its least width.
      for (let at = line; at < end; at++) widths[at]![column] = width;
    }
  }
  return cells.map((row, line) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell + " ".repeat(widths[line]![column]! - lengthOf(cell)))).join(""),
  );
}

function lengthOf(text: string): number {
  // A quick answer for what is nearly always so.
  return /^[\x20-\x7e]*$/.test(text) ? text.length : [...text].length;
}
