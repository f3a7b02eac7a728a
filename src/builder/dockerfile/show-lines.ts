/** The lines of a Dockerfile that an error or a warning is about, as BuildKit shows them. */

/** Characters that a line is shown of, and lines of a long instruction. */
const MAX_SHOWN = 2000;
const MAX_LINES = 100;

/**
 *     Dockerfile:3
 *     --------------------
 *        1 |     FROM busybox
 *        2 |
 *        3 | >>> FRM x
 *     --------------------
 */
export function showLines(name: string, source: string, [first, through]: readonly [number, number]): string {
  const all = source.split("\n");
  if (first < 1 || first > all.length) return "";
  const last = Math.min(through, all.length, first + MAX_LINES - 1);
  const [start, end] = around([first, last], all.length);
  const rows: string[] = [];
  for (let line = start; line <= end; line += 1) {
    const mark = line >= first && line <= last ? ">>>" : "   ";
    rows.push(` ${String(line).padStart(3)} | ${mark} ${all[line - 1]!.replace(/\r$/, "").slice(0, MAX_SHOWN)}`);
  }
  const rule = "--------------------";
  return [`${name}:${first}`, rule, ...rows, rule, ""].join("\n");
}

/** Some lines more on both sides. */
function around([first, last]: readonly [number, number], count: number): readonly [number, number] {
  const wanted = first === last ? 4 : 2;
  let [start, end] = [first, last];
  for (let added = 0; added < wanted; added += 1) {
    if (start > 1) {
      start -= 1;
      added += 1;
    }
    if (end < count) {
      end += 1;
      added += 1;
    }
  }
  return [start, end];
}
