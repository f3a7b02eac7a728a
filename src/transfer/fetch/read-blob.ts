/** A blob's bytes from a repository, from any byte on, over as many connections as it takes. */
import { hasher } from "#base/digest.ts";
import { fail, Failure } from "#base/errors.ts";
import type { Descriptor } from "#spec/image.ts";
import { openAttempts } from "../http/attempts.ts";
import { nameOf } from "../http/exchange.ts";
import type { Endpoint } from "../hosts/endpoints.ts";
import type { Session } from "../session.ts";
import { checkPlain } from "./documents.ts";

export type BlobReadOptions = {
  readonly signal: AbortSignal;
  readonly from?: number;
  /** Chunks have memory of their own; else one is good until the next is asked for. */
  readonly own?: boolean;
  readonly arrived?: (bytes: number) => void;
  readonly retry?: (seconds: number, reason: string) => void;
  /** Told which host the bytes that follow come from. */
  readonly host?: (endpoint: Endpoint) => void;
};

/** An attempt that brought less than this, and less than a quarter of what was missing, has got nowhere. */
const PROGRESS = 2 ** 20;

/** Exactly the bytes from `from` to the size that the descriptor says; not verified. @throws invalid for fewer or more */
export async function* readBlob(session: Session, { digest, size }: Descriptor, options: BlobReadOptions): AsyncGenerator<Buffer> {
  const { signal, own = false, arrived, retry } = options;
  const attempts = openAttempts({ most: session.settings.maxAttempts, limits: session.limits, signal, retry, wasThere: session.wasThere });
  for (let at = options.from ?? 0; at < size; ) {
    const began = at;
    try {
      const { reply, skip } = await open(session, digest, { at, size, signal });
      options.host?.(reply.endpoint);
      let left = skip;
      for await (const chunk of reply.read({ limit: size - at + skip, own, ...(arrived && { arrived }) })) {
        const fresh = left === 0 ? chunk : chunk.subarray(Math.min(left, chunk.length));
        left -= chunk.length - fresh.length;
        at += fresh.length;
        if (fresh.length > 0) yield fresh;
      }
      if (at < size) throw fail("unavailable", `${nameOf("GET", reply.url)}: ${at} bytes came, ${size} were announced`, { facts: { again: true } });
    } catch (error) {
      if (at - began >= Math.min(PROGRESS, (size - began) / 4)) attempts.progressed();
      await attempts.next(error);
    }
  }
}

/** `skip`: bytes that come again, of a server that knows no ranges. */
async function open(session: Session, digest: string, { at, size, signal }: { at: number; size: number; signal: AbortSignal }) {
  const headers = at === 0 ? {} : { range: `bytes=${at}-` };
  const reply = await session.request({ method: "GET", at: `blobs/${digest}`, can: "pull", expect: [200, 206], attempts: 1, headers, signal });
  const what = nameOf("GET", reply.url);
  checkPlain(reply, what);
  const length = reply.headers["content-length"];
  const wanted = reply.status === 206 ? size - at : size;
  if (length !== undefined && Number(length) !== wanted) return refuse(`${length.slice(0, 20)} bytes are announced, ${wanted} must come`);
  if (reply.status === 200) return { reply, skip: at };
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(reply.headers["content-range"] ?? "");
  if (at === 0 || range === null || Number(range[1]) !== at || (range[3] !== "*" && Number(range[3]) !== size)) return refuse("another range came than was asked for");
  return { reply, skip: 0 };

  function refuse(why: string): never {
    reply.drop();
    throw fail("invalid", `${what}: ${why}`);
  }
}

/** The same, verified: ends happily only if the digest holds. */
export async function* readVerified(session: Session, descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Buffer> {
  const hash = hasher();
  for await (const chunk of readBlob(session, descriptor, { signal, own: true })) {
    hash.update(chunk);
    yield chunk;
  }
  const came = hash.digest();
  if (came !== descriptor.digest) throw fail("invalid", `read ${descriptor.digest} of ${session.repository.registry}/${session.repository.path}: what came has the digest ${came}`);
}

/** A failure that says that what came was not what it should be. */
export const isWrong = (error: unknown): error is Failure => error instanceof Failure && error.kind === "invalid";
