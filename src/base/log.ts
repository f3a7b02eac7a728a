/**
 * The engine's own log: one line an entry, on standard error unless told otherwise.
 *
 *     const log = openLog({ level: "info", format: "text" });
 *     log.warn("listener closed", { address: "unix:///run/gantry/gantry.sock" });
 *     // time="2026-01-02T03:04:05.678Z" level=warning msg="listener closed" address="unix:///run/gantry/gantry.sock"
 *
 * Field names and text form are logfmt as dockerd writes it, so that what reads its log reads ours.
 */
export type Level = "debug" | "info" | "warn" | "error" | "fatal";
export type Fields = Readonly<Record<string, unknown>>;

export type Log = {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** Changes what is written from now on (reload). */
  setLevel(level: Level): void;
};

export type LogOptions = {
  level?: Level;
  format?: "text" | "json";
  /** Takes one line with its newline. */
  write?: (line: string) => void;
};

const ORDER: readonly Level[] = ["debug", "info", "warn", "error", "fatal"];

export function openLog(options: LogOptions = {}): Log {
  const write = options.write ?? ((line: string) => process.stderr.write(line));
  const format = options.format === "json" ? formatJson : formatText;
  let threshold = ORDER.indexOf(options.level ?? "info");
  const at = (level: Level) => (message: string, fields: Fields = {}) => {
    if (ORDER.indexOf(level) >= threshold) write(format(level, message, fields));
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    setLevel(level) {
      threshold = ORDER.indexOf(level);
    },
  };
}

function formatText(level: Level, message: string, fields: Fields): string {
  const head = `time="${new Date().toISOString()}" level=${level === "warn" ? "warning" : level} msg=${quote(message)}`;
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${quote(textOf(value))}`);
  return `${head}${rest.join("")}\n`;
}

function formatJson(level: Level, message: string, fields: Fields): string {
  const plain = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, textOf(value)]));
  return `${JSON.stringify({ ...plain, level: level === "warn" ? "warning" : level, msg: message, time: new Date().toISOString() })}\n`;
}

/** Quotes what has more than letters, digits and a few signs, so that a hostile name cannot start a line or a field. */
function quote(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Of a cause, what its error does not say already. */
function textOf(value: unknown): string {
  if (value instanceof Error) {
    const cause = value.cause === undefined ? "" : textOf(value.cause);
    return value.message.includes(cause) ? value.message : `${value.message} (${cause})`;
  }
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}
