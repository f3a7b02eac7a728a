/** What the client lends its build for a git server: secrets by Docker's names, or what the URL itself holds. */
import type { SourceContext } from "../source-context.ts";
import type { GitRemote } from "./check-remote.ts";

export type Authorization = { /** URLs that begin with it get the header. */ readonly scope: string; readonly value: string };

const basic = (userinfo: string): string => `basic ${Buffer.from(userinfo).toString("base64")}`;

export async function authorization({ scheme, host, url, userinfo }: GitRemote, { client, signal }: SourceContext): Promise<Authorization | undefined> {
  if (scheme !== "http" && scheme !== "https") return undefined;
  const found = userinfo !== undefined ? basic(userinfo) : await fromSecrets(host, (id) => client.secret(id, signal));
  return found === undefined ? undefined : { scope: scopeOf(url), value: `Authorization: ${found}` };
}

/** Of this host before those of any. A header is written by the user; a token becomes one. */
async function fromSecrets(host: string, secret: (id: string) => Promise<Buffer | undefined>): Promise<string | undefined> {
  for (const suffix of [`.${host}`, ""]) {
    const header = await secret(`GIT_AUTH_HEADER${suffix}`);
    if (header !== undefined) return oneLine(header);
    const token = await secret(`GIT_AUTH_TOKEN${suffix}`);
    if (token !== undefined) return basic(`x-access-token:${oneLine(token)}`);
  }
  return undefined;
}

const oneLine = (secret: Buffer): string => secret.toString().trim().replace(/[\r\n\0]/g, "");

/** Submodules on the same forge are asked with it, too, as its own build machines do. */
function scopeOf(url: string): string {
  return ["https://github.com/", "https://www.github.com/"].find((prefix) => url.startsWith(prefix)) ?? url;
}
