/**
 * What comes from an engine may hold what a container's author wanted a terminal to do. On a terminal, control
 * characters are shown, not sent. Into a pipe, bytes go as they are.
 */
export function escapeControls(text: string, isTerminal: boolean): string {
  return isTerminal ? text.replace(/[\0-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, shown) : text;
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
