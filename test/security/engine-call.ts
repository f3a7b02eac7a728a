/** Requests to an engine's socket with bodies of any kind: what a client would not send. */
import { request } from "node:http";
import type { Engine } from "../e2e/harness/engine.ts";

export type Reply = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: Buffer };

/** `most`: the connection is cut after so many bytes of the answer. */
export function call(engine: Engine, method: string, path: string, { body, most = Infinity }: { body?: Buffer; most?: number } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: engine.place.socket, method, path: `/v1.47${path}`, headers: body === undefined ? {} : { "Content-Type": "application/x-tar", "Content-Length": body.length } }, (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const end = () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) });
      answer.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if ((length += chunk.length) < most) return;
        answer.destroy();
        end();
      });
      answer.on("end", end).on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
