/**
 * `gantry registry user`: the password file.
 *
 *     gantry registry user add NAME --htpasswd FILE [--password-stdin]
 *     gantry registry user rm NAME --htpasswd FILE
 *     gantry registry user ls --htpasswd FILE
 */
import { randomBytes } from "node:crypto";
import { chmod, open, readFile, rename, rm, stat } from "node:fs/promises";
import { hash } from "bcryptjs";
import { fail } from "#base/errors.ts";
import { formatHtpasswd, parseHtpasswd, type Htpasswd } from "./htpasswd.ts";

export type UserCommand =
  | { readonly verb: "add"; readonly name: string; readonly file: string; readonly password: string; readonly cost?: number }
  | { readonly verb: "rm"; readonly name: string; readonly file: string }
  | { readonly verb: "ls"; readonly file: string };

/** What is to be printed. @throws invalid, not-found */
export async function runUserCommand(command: UserCommand): Promise<string> {
  const accounts = await readAccounts(command.file);
  switch (command.verb) {
    case "ls":
      return [...accounts.keys()].map((name) => `${name}\n`).join("");
    case "rm":
      if (!accounts.has(command.name)) throw fail("not-found", `remove the account ${command.name}: there is none in ${command.file}`);
      await writeAccounts(command.file, new Map([...accounts].filter(([name]) => name !== command.name)));
      return "";
    case "add": {
      checkName(command.name);
      checkPassword(command.password);
      const hashed = await hash(command.password, command.cost ?? 10);
      await writeAccounts(command.file, new Map([...accounts, [command.name, hashed]]));
      return "";
    }
  }
}

function checkName(name: string): void {
  if (!/^[\w.@-]{1,128}$/.test(name)) throw fail("invalid", `add the account ${JSON.stringify(name)}: a name has letters, digits and _ . @ -`);
}

function checkPassword(password: string): void {
  const length = Buffer.byteLength(password);
  if (length === 0 || length > 72) throw fail("invalid", "the password must have 1 to 72 bytes: bcrypt reads no more");
}

async function readAccounts(file: string): Promise<Htpasswd> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw fail("unavailable", `read ${file}: ${error.message}`, { cause: error });
  });
  return parseHtpasswd(text, file);
}

/** A running registry reads the old file or the new one, never half of one. */
async function writeAccounts(file: string, accounts: Htpasswd): Promise<void> {
  const mode = await stat(file).then(({ mode }) => mode & 0o777, () => 0o600);
  const beside = `${file}.${randomBytes(6).toString("hex")}`;
  const handle = await open(beside, "wx", 0o600);
  try {
    await handle.writeFile(formatHtpasswd(accounts));
    await handle.sync();
    await handle.close();
    await chmod(beside, mode);
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
