/** Secrets: read when a step asks for them, never before, and never more than a secret is. */
import { closeSync, openSync, readSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { MAX_SECRET, secretRequest, secretResponse } from "#spec/buildkit/session.ts";
import type { SecretSource } from "../build.ts";
import { type Method, unary } from "../rpc/serve.ts";

export function serveSecrets(secrets: ReadonlyMap<string, SecretSource>, env: Readonly<Record<string, string | undefined>>): Method {
  return unary(async (request) => {
    const { id } = secretRequest.decode(request);
    const source = secrets.get(id);
    if (source === undefined) throw fail("not-found", `secret ${id}: not found`);
    return frame(secretResponse.encode({ data: readSecret(source, env) }, HEADROOM));
  });
}

function readSecret(source: SecretSource, env: Readonly<Record<string, string | undefined>>): Buffer {
  if ("env" in source) return Buffer.from(env[source.env] ?? "");
  const bytes = readSome(source.file, MAX_SECRET + 1);
  if (bytes.length > MAX_SECRET) throw fail("invalid", `invalid secret size: more than ${MAX_SECRET} bytes`);
  return bytes;
}

/** What a file has, at most so much: one may have grown, and some (pipes, devices) have no length. */
function readSome(path: string, most: number): Buffer {
  const bytes = Buffer.allocUnsafe(most);
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < most; length += read) read = readSync(file, bytes, length, most - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
