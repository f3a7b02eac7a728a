/** Times and terminals in the forms of ps. Pure. */
const two = (number: number) => String(Math.floor(number)).padStart(2, "0");

/** HH:MM of today, MonDD of this year, or the year. */
export function formatStart(started: number, now: number): string {
  const [then, today] = [new Date(started), new Date(now)];
  if (then.toDateString() === today.toDateString()) return `${two(then.getHours())}:${two(then.getMinutes())}`;
  if (then.getFullYear() !== today.getFullYear()) return String(then.getFullYear());
  return then.toLocaleString("en-US", { month: "short" }) + two(then.getDate());
}

/** "Sun Nov 22 03:17:57 2026" */
export function longStart(started: number): string {
  const then = new Date(started);
  const [day, month, date] = then.toDateString().split(" ");
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())} ${then.getFullYear()}`;
}

/** [D-]HH:MM:SS */
export function formatSpan(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  return `${days > 0 ? `${days}-` : ""}${two((seconds % 86400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

/** [[D-]HH:]MM:SS */
export function formatElapsed(seconds: number): string {
  return formatSpan(seconds).replace(/^00:(?=\d\d:\d\d$)/, "");
}

/** The number of a terminal's device, as /proc/pid/stat has it. */
export function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  return major === 4 ? `tty${minor}` : "?";
}
