import { readFileSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import { type Credentials, DOCKER_HUB, hostOf, openStore } from "../../credentials/credentials.ts";
import { bool, text } from "../../flags/kinds.ts";
import { stdinIsTerminal } from "../../terminal/terminal.ts";

export const command = define({
  flags: {
    password: text("p", "Password or access token"),
    "password-stdin": bool("", "Read the password or access token from standard input"),
    username: text("u", "User name"),
  },
  async run(cli, options, [given = ""]) {
    if (options.given.has("password")) {
      cli.err.write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
      if (options["password-stdin"]) throw fail("invalid", "conflicting options: cannot specify both --password and --password-stdin");
      if (options.password === "") throw fail("invalid", "password is empty");
    }
    if (options["password-stdin"] && options.username === "") throw fail("invalid", "the --password-stdin option requires --username to be set");
    const server = given === "" || given === "docker.io" ? DOCKER_HUB : hostOf(given);
    const password = options["password-stdin"] ? readPassword() : options.password;
    const asked = options.username !== "" || password !== "";
    const known = asked ? undefined : await openStore(cli, server).get(server);
    if (known !== undefined && (await loginAgain(cli, server, known))) return;
    const { askCredentials } = await import("./ask.ts");
    const credentials = options.username !== "" && password !== "" ? { username: options.username, password } : askCredentials(cli, { server, username: options.username, password });
    await login(cli, server, credentials);
  },
});

function readPassword(): string {
  const password = readFileSync(0, "utf8").replace(/\r?\n$/, "").replace(/\r$/, "");
  if (password === "") throw fail("invalid", "password is empty");
  return password;
}

/** With what is known already; false when the registry does not take it any more. */
async function loginAgain(cli: Cli, server: string, known: Credentials): Promise<boolean> {
  cli.out.write(`Authenticating with existing credentials...${known.username === "" ? "" : ` [Username: ${known.username}]`}\n`);
  cli.out.write("\nInfo -> To login with a different account, run 'gantry logout' followed by 'gantry login'\n\n");
  try {
    await login(cli, server, known);
    return true;
  } catch (error) {
    if (!stdinIsTerminal()) throw error;
    cli.err.write(`Login did not succeed, error: ${(error as Error).message}\n`);
    return false;
  }
}

async function login(cli: Cli, server: string, credentials: Credentials): Promise<void> {
  const api = await cli.api();
  const answer = await api.json<{ Status?: string; IdentityToken?: string }>("POST", "/auth", { json: { ...credentials, serveraddress: server } });
  const token = answer.IdentityToken;
  const store = openStore(cli, server);
  await store.put(server, token ? { username: credentials.username, password: "", identitytoken: token } : credentials);
  if (store.plainFile !== undefined) {
    cli.err.write(`\nWARNING! Your credentials are stored unencrypted in '${store.plainFile}'.\nConfigure a credential helper to remove this warning (credsStore or credHelpers in that file).\n\n`);
  }
  cli.out.write(`${answer.Status || "Login Succeeded"}\n`);
}
