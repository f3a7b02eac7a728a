/** Sizes and spans of time as Docker's users know them. */

const STEPS = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY_STEPS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** "1.23GB": powers of 1000, so many significant digits. */
export function humanSize(bytes: number, digits = 3): string {
  return scale(bytes, 1000, STEPS, digits);
}

/** "7.654GiB": powers of 1024. */
export function binarySize(bytes: number): string {
  return scale(bytes, 1024, BINARY_STEPS, 4);
}

function scale(bytes: number, base: number, steps: readonly string[], digits: number): string {
  let value = bytes;
  let step = 0;
  while (value >= base && step < steps.length - 1) {
    value /= base;
    step++;
  }
  return `${significant(value, digits)}${steps[step]}`;
}

/** Go's %.3g: 999.9 becomes 1e+03. */
function significant(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  const exponent = /^(.*)e([+-])(\d+)$/.exec(text);
  if (exponent === null) return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  const mantissa = exponent[1]!.includes(".") ? exponent[1]!.replace(/\.?0+$/, "") : exponent[1]!;
  return `${mantissa}e${exponent[2]}${exponent[3]!.padStart(2, "0")}`;
}

/** "About a minute", "3 weeks". */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return "Less than a second";
  if (whole === 1) return "1 second";
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

/** At most so many characters, the last an ellipsis where some were left out. */
export function ellipsis(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  if (length === 0) return "";
  if (length === 1) return characters[0]!;
  return `${characters.slice(0, length - 1).join("")}…`;
}

/** The 12 digits people know an id by. */
export function shortId(id: string): string {
  const digits = id.slice(id.indexOf(":") + 1);
  return digits.slice(0, 12);
}
