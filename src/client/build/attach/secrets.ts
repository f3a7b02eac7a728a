/** Secrets: read when a step asks for them, never before, and never more than a secret is. */
import { readFileSync, statSync } from "node:fs";
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { secretRequest, secretResponse } from "#spec/buildkit/session.ts";
import type { SecretSource } from "../build.ts";
import { type Method, unary } from "../rpc/serve.ts";

/** BuildKit's. */
const MAX_SECRET = 500 * 1024;

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
  if (statSync(source.file).size > MAX_SECRET) throw fail("invalid", `invalid secret size: more than ${MAX_SECRET} bytes`);
  return readFileSync(source.file);
}
