/** How many columns of a terminal a text takes: a line that takes more than there are is two, and what is drawn over it goes astray. */
const PLAIN = /^[\x20-\x7e]*$/;
/** Made when something else than ASCII is shown: reading the tables that they name takes most of a millisecond. */
let other: { readonly wide: RegExp; readonly none: RegExp } | undefined;

const makeOther = () => ({
  /** East Asian Wide and Fullwidth; emoji that are pictures by themselves. */
  wide: /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u,
  /** Accents on what is before them; joiners. */
  none: /[\p{Mn}\p{Me}\u200b-\u200f\ufe00-\ufe0f]/u,
});

export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** Its beginning, as far as there is room. */
export function cut(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, width));
  let end = 0;
  let left = width;
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function columnsOf(character: string): number {
  const { wide, none } = (other ??= makeOther());
  return none.test(character) ? 0 : wide.test(character) ? 2 : 1;
}
