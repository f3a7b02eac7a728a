/** A Go string literal: strconv.Quote. */
export function quote(text: string): string {
  let out = '"';
  for (const each of text) {
    const point = each.codePointAt(0)!;
    if (each === '"' || each === "\\") out += `\\${each}`;
    else if (SHORT[each] !== undefined) out += SHORT[each];
    else if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(each)) out += each;
    else if (point < 0x20 || point === 0x7f) out += `\\x${point.toString(16).padStart(2, "0")}`;
    else if (point <= 0xffff) out += `\\u${point.toString(16).padStart(4, "0")}`;
    else out += `\\U${point.toString(16).padStart(8, "0")}`;
  }
  return `${out}"`;
}

const SHORT: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};
