/** The end of a container, asked for before it is started, so that no end is missed. */
import type { Api } from "../connect/connect.ts";

/**
 * Resolves when the engine watches; the inner promise when the container ended (`removed`: and was removed), to its
 * exit code. 125 if the engine could not tell.
 */
export async function watchExit(api: Api, id: string, removed: boolean, say: (text: string) => void): Promise<{ readonly ended: Promise<number> }> {
  if (!api.atLeast("1.30")) {
    const wait = api.json<Ended>("POST", `/containers/${id}/wait`);
    return { ended: wait.then((end) => end.StatusCode) };
  }
  const answer = await api.send("POST", `/containers/${id}/wait`, { query: { condition: removed ? "removed" : "next-exit" } });
  return { ended: readEnd(answer.body, say) };
}

type Ended = { readonly StatusCode: number; readonly Error?: { readonly Message: string } | null };

async function readEnd(body: AsyncIterable<Buffer>, say: (text: string) => void): Promise<number> {
  let text = "";
  try {
    for await (const chunk of body) text += chunk.toString();
    const end = JSON.parse(text) as Ended;
    if (end.Error) {
      say(`Error waiting for container: ${end.Error.Message}\n`);
      return 125;
    }
    return end.StatusCode;
  } catch (error) {
    say(`error waiting for container: ${error instanceof Error ? error.message : error}\n`);
    return 125;
  }
}
