/** The official client and ours, given the same line: what each prints, with their names made one. */
import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { onPath } from "../../packages.ts";
import { root } from "./engine.ts";

export type Printed = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export const noDocker = onPath("docker") ? undefined : "the official docker client is not on this machine";

/** Runs a shell line in which `@` stands for the client. */
export function runLine(client: "docker" | "gantry", line: string, options: { host: string; cwd: string; config: string }): Promise<Printed> {
  // Node itself, not the launcher: what is compared is the client, not whether the checkout is set up.
  const ours = `${process.execPath} --disable-warning=ExperimentalWarning -- ${join(root, "src/bin/gantry.ts")}`;
  const child = spawn("/bin/sh", ["-c", line.replaceAll("@", client === "docker" ? "docker" : ours)], {
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      DOCKER_HOST: options.host,
      DOCKER_CONFIG: options.config,
      DOCKER_CLI_HINTS: "false",
      NODE_COMPILE_CACHE: join(root, "build/cache"),
    },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }));
  });
}

/** Without what differs by its nature: the program's name, ids, times and spans. */
export function normalized({ code, stdout, stderr }: Printed): Printed {
  const plain = (text: string) =>
    text
      .replaceAll("gantry", "docker")
      .replaceAll("Gantry", "Docker")
      .replace(/\b[0-9a-f]{64}\b/g, "ID64")
      .replace(/\b[0-9a-f]{12}\b/g, "ID12")
      .replace(/\d\d:\d\d:\d\d(\.\d+)?/g, "TIME")
      .replace(/\b(Pid": )\d+/g, "$1PID")
      .replace(/docker-import-\d+/g, "docker-import")
      .replace(/(About )?\b(a|an|\d+|Less than a) (second|minute|hour)s?( ago)? */g, "SPAN ");
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

export type Recorded = { readonly method: string; readonly path: string; readonly body: unknown };

/** An API that answers with what it is given, by path, and remembers what it was asked. */
export async function openRecorder(socket: string, answers: Readonly<Record<string, unknown>>): Promise<AsyncDisposable & { readonly asked: Recorded[] }> {
  const asked: Recorded[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const path = request.url!.replace(/^\/v[\d.]+/, "");
      const known = path.split("?")[0]!;
      response.setHeader("Api-Version", "1.50").setHeader("Ostype", "linux").setHeader("Content-Type", "application/json");
      if (known === "/_ping") return void response.end("OK");
      asked.push({ method: request.method!, path, body: body === "" ? undefined : JSON.parse(body) });
      if (known in answers) response.end(JSON.stringify(answers[known]));
      else response.writeHead(404).end('{"message":"not here"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
