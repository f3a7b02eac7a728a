/** What an engine says may hold anything a container's name or label held: a terminal must not obey it. */
export function escapeControls(text: string): string {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (each) => `\\x${each.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
