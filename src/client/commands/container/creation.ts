/** What `create` and `run` have in common: the container made, its image pulled when it is missing. */
import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { Failure, fail, kindOf, messageOf } from "#base/errors.ts";
import { familiar, parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Cli } from "../../client.ts";
import type { Api } from "../../connect/connect.ts";
import { proxyVariables } from "../../connect/proxies.ts";
import { readPlatform } from "../../request/platform.ts";
import { buildRequest, type CreateBody, type CreateOptions } from "../../request/request.ts";
import { terminalSize } from "../../terminal/terminal.ts";

/** The request, from the flags: nothing is asked of the engine yet. */
export function prepareCreate(cli: Cli, options: CreateOptions, args: readonly string[], address: string): CreateBody {
  let body: CreateBody;
  try {
    checkPull(options.pull);
    body = buildRequest(options, args, { env: cli.env, proxies: proxyVariables(cli.config().proxies, address) });
  } catch (error) {
    throw withHint(error, cli.path);
  }
  const size = terminalSize();
  if (size !== undefined) body.HostConfig.ConsoleSize = [size.rows, size.columns];
  return body;
}

function checkPull(pull: string): void {
  if (["always", "missing", "never"].includes(pull)) return;
  throw fail("invalid", `invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
}

/** A failure as docker's `run` tells it: with the program's name, and where help is to be found. */
export function withHint(error: unknown, path: string): unknown {
  if (!(error instanceof Failure) || error.facts["bare"] || error.facts["told"] || error.message === "") return error;
  return fail(error.kind, `gantry: ${error.message}\n\nRun '${path} --help' for more information`, {
    cause: error,
    facts: { status: 125, ...error.facts, told: true },
  });
}

/** Makes the container. Its id. `startsAtOnce`: without the host ports that it asks for it is not made at all. */
export async function createContainer(cli: Cli, api: Api, options: CreateOptions, body: CreateBody, { startsAtOnce = false } = {}): Promise<string> {
  const query = { ...createQuery(api, options, body), ...(startsAtOnce && options.publish.length > 0 ? { "free-ports": "1" } : {}) };
  const { pull } = options;
  checkReference(body.Image);
  const idFile = options.cidfile === "" ? undefined : openIdFile(options.cidfile);
  let id = "";
  try {
    if (pull === "always") await pullFor(cli, api, options, body.Image);
    id = await post(cli, api, query, body, async () => {
      if (pull !== "missing") return false;
      cli.err.write(`Unable to find image '${familiar(withDefaultTag(parseReference(body.Image)))}' locally\n`);
      await pullFor(cli, api, options, body.Image);
      return true;
    });
    idFile?.write(id);
  } finally {
    idFile?.close();
  }
  return id;
}

export async function printPlan(cli: Cli, api: Api, options: CreateOptions, body: CreateBody): Promise<void> {
  const plan = await api.json<{ Lines: string[] }>("POST", "/gantry/containers/plan", { query: createQuery(api, options, body), json: body });
  cli.out.write(plan.Lines.map((line) => `${line}\n`).join(""));
}

async function post(
  cli: Cli,
  api: Api,
  query: Record<string, string>,
  body: CreateBody,
  onMissing: () => Promise<boolean>,
): Promise<string> {
  const create = () => api.json<{ Id: string; Warnings: string[] | null }>("POST", "/containers/create", { query, json: body });
  const made = await create().catch(async (error: unknown) => {
    if (kindOf(error) === "not-found" && /image|manifest/i.test(messageOf(error)) && (await onMissing())) return create();
    throw error;
  });
  for (const warning of made.Warnings ?? []) cli.err.write(`WARNING: ${warning}\n`);
  return made.Id;
}

const WINDOWS_ONLY = ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"];
const NEEDS: Readonly<Record<string, string>> = { annotation: "1.43", "health-start-interval": "1.44" };

function createQuery(api: Api, options: CreateOptions, body: CreateBody): Record<string, string> {
  checkSupport(api, options);
  if (!api.atLeast("1.44") && options["mac-address"] !== "") body["MacAddress"] = options["mac-address"];
  if (!api.atLeast("1.42")) body.HostConfig.ConsoleSize = [0, 0];
  else delete body.HostConfig["KernelMemory"];
  const query: Record<string, string> = {};
  if (options.name !== "") query["name"] = options.name;
  const platform = options.platform || process.env["DOCKER_DEFAULT_PLATFORM"] || "";
  if (platform !== "") query["platform"] = readPlatform(platform);
  return query;
}

/** What the engine is too old for, or of another system than, is told before anything is asked of it. */
function checkSupport(api: Api, options: CreateOptions): void {
  const wrong = [
    ...Object.entries(NEEDS)
      .filter(([flag, version]) => options.given.has(flag) && !api.atLeast(version))
      .map(([flag, version]) => `"--${flag}" requires API version ${version}, but the Docker daemon API version is ${api.version}`),
    ...WINDOWS_ONLY.filter((flag) => options.given.has(flag) && api.engine.os !== "windows").map(
      (flag) => `"--${flag}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on ${api.engine.os}`,
    ),
  ];
  if (wrong.length > 0) throw fail("invalid", wrong.join("\n"), { facts: { bare: true } });
}

/** An id is no name: it is not checked as one. */
function checkReference(image: string): void {
  if (/^[a-f0-9]{64}$/.test(image)) return;
  parseReference(image);
}

async function pullFor(cli: Cli, api: Api, options: CreateOptions, image: string): Promise<void> {
  const { pullImage } = await import("../image/pulling.ts");
  await pullImage(cli, api, image, { platform: options.platform, quiet: options.quiet, to: cli.err });
}

function openIdFile(path: string): { write(id: string): void; close(): void } {
  if (existsSync(path)) {
    throw fail("already-exists", `container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  let file: number;
  try {
    file = openSync(path, "wx", 0o666);
  } catch (error) {
    throw fail("invalid", `failed to create the container ID file: open ${path}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  return {
    write: (id) => void writeSync(file, id),
    close: () => {
      closeSync(file);
      // A container that was not made leaves no file.
      if (statSync(path).size === 0) rmSync(path);
    },
  };
}
