/** An ssh agent of our own, which holds the keys that were named, and ends with this process. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "#base/errors.ts";

/** Its socket. @throws not-found without OpenSSH; invalid for what is no key */
export async function startAgent(keys: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-agent-"));
  const socket = join(folder, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  const missing = new Promise<never>((_, reject) => agent.once("error", (error) => reject(fail("not-found", `start ssh-agent for --ssh: ${error.message}`, { cause: error }))));
  missing.catch(() => {});
  process.once("exit", () => {
    agent.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  agent.unref();
  await Promise.race([appears(socket), missing]);
  const added = spawnSync("ssh-add", ["-q", "--", ...keys], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: ["inherit", "ignore", "pipe"] });
  if (added.status !== 0) throw fail("invalid", `failed to parse ssh key: ${added.stderr?.toString().trim() || `ssh-add: ${added.error?.message ?? `exit code ${added.status}`}`}`);
  return socket;
}

async function appears(path: string): Promise<void> {
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries > 500) throw fail("unavailable", "start ssh-agent for --ssh: it does not listen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
