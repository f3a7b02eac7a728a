/**
 * The password file as `htpasswd -B` writes it: "name:$2y$…" a line. Only bcrypt is taken: what else the format knows is
 * no protection any more.
 */
import { fail } from "#base/errors.ts";

/** Name → bcrypt hash. */
export type Htpasswd = ReadonlyMap<string, string>;

const HASH = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** @throws invalid, naming the line (and never what is in it) */
export function parseHtpasswd(text: string, path: string): Htpasswd {
  const accounts = new Map<string, string>();
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const mark = line.indexOf(":");
    const hash = line.slice(mark + 1).trim();
    if (mark < 1) throw fail("invalid", `read ${path}: line ${index + 1}: NAME:HASH is expected`);
    const cost = Number(HASH.exec(hash)?.[1]);
    if (!(cost >= 4 && cost <= 16)) throw fail("invalid", `read ${path}: line ${index + 1}: the password is not hashed with bcrypt (of a cost up to 16); make it with "gantry registry user add" or htpasswd -B`);
    accounts.set(line.slice(0, mark), hash);
  });
  return accounts;
}

export const formatHtpasswd = (accounts: Htpasswd): string => [...accounts].map(([name, hash]) => `${name}:${hash}\n`).join("");
