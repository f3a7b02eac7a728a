/**
 * Who somebody is by name and password. What was verified is remembered for five minutes, as an HMAC under a key of this
 * process and together with the hash it was verified against: a request costs microseconds, and a changed password holds
 * at once.
 */
import { createHmac, randomBytes } from "node:crypto";
import { openBcrypt } from "./bcrypt.ts";
import type { Failures } from "./failures.ts";
import type { Htpasswd } from "./htpasswd.ts";

export type Passwords = AsyncDisposable & {
  /** At once when it was verified a moment ago. */
  verify(login: Login): Verdict | Promise<Verdict>;
  /** Whether there is an account of that name. */
  has(name: string): boolean;
  /** Changes with the account's password; undefined when there is no account. */
  fingerprint(name: string): string | undefined;
};

export type Login = { readonly name: string; readonly password: string; readonly address: string };
export type Verdict = { readonly kind: "right" } | { readonly kind: "wrong" } | { readonly kind: "wait"; readonly seconds: number };

const REMEMBERED_MS = 5 * 60_000;
const MOST_REMEMBERED = 4096;
/** Of nobody's password. Whoever asks for a name that there is not waits as long as for one that there is. */
const NOBODY = "$2b$10$RGUkX6uuMuBoNYyP8NGruej8FX14wFhO8dQoKDYynZQYS0ArUnXvG";

const right: Verdict = { kind: "right" };
const wrong: Verdict = { kind: "wrong" };

export function openPasswords(accounts: () => Htpasswd, failures: Failures): Passwords {
  const bcrypt = openBcrypt();
  const secret = randomBytes(32);
  const remembered = new Map<string, number>();
  const underway = new Map<string, Promise<boolean>>();

  const keyOf = (name: string, password: string, hash: string) => createHmac("sha256", secret).update(JSON.stringify([name, password, hash])).digest("base64");
  const remember = (key: string) => {
    remembered.delete(key);
    remembered.set(key, performance.now());
    if (remembered.size > MOST_REMEMBERED) remembered.delete(remembered.keys().next().value as string);
  };
  /** Many requests of one login that nobody has seen yet are one comparison. */
  const compare = (key: string, password: string, hash: string): Promise<boolean> => {
    const running = underway.get(key) ?? bcrypt.compare(password, hash).finally(() => underway.delete(key));
    underway.set(key, running);
    return running;
  };

  const check = async ({ name, password, address }: Login, hash: string | undefined, key: string): Promise<Verdict> => {
    const seconds = failures.delay(address, name);
    if (seconds > 0) return { kind: "wait", seconds };
    const equal = await compare(key, password, hash ?? NOBODY);
    if (equal && hash !== undefined) {
      remember(key);
      return right;
    }
    failures.add(address, name);
    return wrong;
  };

  return {
    verify(login) {
      // bcrypt reads 72 bytes: a longer password would be as good as its beginning.
      if (Buffer.byteLength(login.password) > 72 || login.name === "") return wrong;
      const hash = accounts().get(login.name);
      const key = keyOf(login.name, login.password, hash ?? "");
      const seen = remembered.get(key);
      if (hash !== undefined && seen !== undefined && performance.now() - seen < REMEMBERED_MS) return right;
      return check(login, hash, key);
    },
    has: (name) => accounts().has(name),
    fingerprint(name) {
      const hash = accounts().get(name);
      return hash === undefined ? undefined : createHmac("sha256", "gantry-registry refresh").update(`${name}:${hash}`).digest("base64url").slice(0, 22);
    },
    [Symbol.asyncDispose]: () => bcrypt[Symbol.asyncDispose](),
  };
}
