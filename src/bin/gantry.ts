/** `gantry`: the client. `gantry daemon` and `gantry registry` are the servers' programs, which the launcher calls by itself. */
import { main } from "#client/main.ts";

const line = process.argv.slice(2);
if (line[0] === "daemon") {
  process.argv.splice(2, 1);
  await import("./daemon.ts");
} else if (line[0] === "registry") {
  process.argv.splice(2, 1);
  await import("./registry.ts");
} else {
  // Requests that nobody waits for any more (a detached container's end) must not keep the process.
  process.exit(await main(line, { startEngine }));
}

async function startEngine(say: (text: string) => void): Promise<void> {
  say("gantry: no engine is running: starting one in the background (gantry daemon stop ends it)\n");
  const { startInBackground } = await import("./background.ts");
  await startInBackground([]);
}
