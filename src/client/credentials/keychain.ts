/**
 * Credential helpers: programs "docker-credential-NAME" that keep credentials elsewhere. They take "get", "store" or
 * "erase", read what it is about on their standard input, and answer in JSON on their standard output.
 */
import { once } from "node:events";
import { fail } from "#base/errors.ts";
import { type Config, writeConfig } from "../connect/config.ts";
import type { Credentials, Store } from "./credentials.ts";
import { hostOf } from "./server.ts";

/** The user name that says that the secret is an identity token. */
const TOKEN = "<token>";
/** What helpers answer when they have none; their exit code is 1 then, as for any failure. */
const NONE = /credentials not found in native keychain/;
const MAX_ANSWER = 1024 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

export function helperStore(config: Config, name: string, env: Environment): Store {
  const helper = `docker-credential-${name}`;
  const call = (verb: string, input: string) => run({ helper, verb, env }, input);
  return {
    async get(server) {
      const answer = await call("get", server);
      return answer === undefined ? undefined : parse(helper, server, answer);
    },
    async put(server, { username, password, identitytoken }) {
      const [Username, Secret] = identitytoken ? [TOKEN, identitytoken] : [username, password];
      await call("store", JSON.stringify({ ServerURL: server, Username, Secret }));
      // Docker keeps the names of those it knows in its file.
      writeConfig(config, "auths", { ...namesIn(config), [server]: {} });
    },
    async erase(server) {
      await call("erase", server);
      const names = namesIn(config);
      const rest = Object.fromEntries(Object.entries(names).filter(([key]) => key !== server && hostOf(key) !== server));
      if (Object.keys(rest).length < Object.keys(names).length) writeConfig(config, "auths", Object.keys(rest).length === 0 ? undefined : rest);
    },
  };
}

function namesIn({ all }: Config): Record<string, unknown> {
  const auths = all["auths"];
  return typeof auths === "object" && auths !== null && !Array.isArray(auths) ? (auths as Record<string, unknown>) : {};
}

function parse(helper: string, server: string, answer: string): Credentials | undefined {
  const broken = (why: string) => fail("unavailable", `get the credentials of ${server}: ${helper} ${why}`);
  let json: { Username?: unknown; Secret?: unknown };
  try {
    json = JSON.parse(answer) as typeof json;
  } catch {
    throw broken("did not answer with JSON");
  }
  const { Username: username, Secret: secret } = json ?? {};
  if (typeof username !== "string" || typeof secret !== "string") throw broken("did not answer with Username and Secret");
  if (username === TOKEN) return { username: "", password: "", identitytoken: secret };
  return username === "" && secret === "" ? undefined : { username, password: secret };
}

type Call = { readonly helper: string; readonly verb: string; readonly env: Environment };

/** What it printed; undefined when it says that it has nothing. @throws unavailable */
async function run({ helper, verb, env }: Call, input: string): Promise<string | undefined> {
  if (!/^docker-credential-[\w.-]+$/.test(helper)) throw fail("invalid", `config.json: ${JSON.stringify(helper)} is no name of a credential helper`);
  const { spawn } = process.getBuiltinModule("node:child_process");
  const child = spawn(helper, [verb], { stdio: ["pipe", "pipe", "pipe"], env: { ...env } });
  const failed = (why: string) => fail("unavailable", `${helper} ${verb}: ${why} (config.json names it under credsStore or credHelpers)`);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output.length < MAX_ANSWER ? (output += chunk.toString()) : undefined));
  child.stderr.on("data", (chunk: Buffer) => (errors.length < MAX_ANSWER ? (errors += chunk.toString()) : undefined));
  // One that ends without reading has said all it has to say.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code, signal] = (await once(child, "close").catch((error: NodeJS.ErrnoException) => {
    throw failed(error.code === "ENOENT" ? "executable file not found in $PATH" : error.message);
  })) as [number | null, string | null];
  if (code === 0) return output;
  if (NONE.test(output) || NONE.test(errors)) return undefined;
  throw failed(`${signal === null ? `exit status ${code}` : `signal ${signal}`}${tell(output || errors)}`);
}

const tell = (text: string): string => (text.trim() === "" ? "" : `: ${text.trim().slice(0, 300)}`);
