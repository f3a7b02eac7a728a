/** POST /build, version 1: an archive comes in, messages go out while it is built. */
import { randomBytes } from "node:crypto";
import { sha256 } from "#base/digest.ts";
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import type { BuildRequest } from "#builder/builder.ts";
import type { BuildEvent } from "#builder/events.ts";
import type { ImageDocuments } from "#builder/export/documents.ts";
import type { Builds } from "../../../builds/builds.ts";
import type { Answer, ApiCall } from "../../answer.ts";
import { bytesOf } from "../../body.ts";
import { text } from "../../query.ts";
import { openClassicClient } from "./client.ts";
import { failureMessage } from "./failure-message.ts";
import { classicRequest } from "./request.ts";
import { openOut } from "./out.ts";
import { openTranscript, type TranscriptOptions } from "./transcript.ts";

export type ClassicParts = Pick<Builds, "build" | "contexts" | "cache" | "foretell">;

export type Classic = { build(call: ApiCall): Promise<Answer> };

export function openClassic(parts: ClassicParts): Classic {
  const seen = openSeen(parts.cache);
  return { build: (call) => build(parts, call, seen) };
}

type Seen = TranscriptOptions["seen"];

/** Steps that were told before, by this engine or one before it: as long as the cache knows of them. */
function openSeen({ fact, learn }: Builds["cache"]): Seen {
  const keyOf = (id: string) => sha256(`a step of the classic builder ${id}`);
  return {
    has: (id) => fact(keyOf(id)) !== undefined,
    add: (id) => {
      if (fact(keyOf(id)) === undefined) learn(keyOf(id), "told");
    },
  };
}

async function build({ build: run, contexts, foretell }: ClassicParts, call: ApiCall, seen: Seen): Promise<Answer> {
  const asked = classicRequest(call.query, newRef(text(call.query, "buildid")));
  const { request } = asked;
  const tree = await contexts.fromArchive(request.context === "" ? bytesOf(call.request) : nothing(), { signal: call.signal });
  using _held = contexts.hold(tree);
  const out = openOut(call, asked.quiet);
  const transcript = openTranscript({ ...asked.told, tags: asked.tags, noCache: request.noCache === true, seen }, out.write);
  try {
    const report = (event: BuildEvent): Promise<void> | undefined => {
      transcript.report(event);
      return event.kind === "log" ? out.room() : undefined;
    };
    const intermediate = (place: number, image: ImageDocuments): void => {
      foretell(image);
      transcript.image(place, image.manifest.descriptor.digest);
    };
    const { image } = await run(request, openClassicClient(contexts, tree, call.headers), { signal: call.signal, report, intermediate });
    transcript.done(image);
    if (asked.quiet && image !== undefined) out.only({ stream: `${image}\n` });
  } catch (error) {
    if (call.signal.aborted) return undefined;
    const failure = asClassic(error, request);
    if (!transcript.failed(failure)) {
      if (!call.response.headersSent) throw failure;
      out.write(failureMessage(failure));
    }
    out.flush();
  }
  out.end();
  return undefined;
}

/** Texts that are the classic builder's own. */
function asClassic(error: unknown, request: BuildRequest): unknown {
  const facts = error instanceof Failure ? error.facts : {};
  if (kindOf(error) === "not-found" && typeof facts["path"] === "string") return fail("internal", `Cannot locate specified Dockerfile: ${request.dockerfile.path}`, { cause: error });
  if (facts["phase"] !== "syntax") return error;
  if (typeof facts["classic"] === "string") return fail("invalid", facts["classic"], { cause: error });
  if (!Array.isArray(facts["lines"])) return error;
  return fail("invalid", `failed to parse ${request.dockerfile.path}: ${messageOf(error)}`, { cause: error, facts: { ...facts } });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** 25 characters of a-z0-9. */
function newRef(given: string): string {
  if (/^[a-z0-9]{1,64}$/.test(given)) return given;
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from(randomBytes(25), (byte) => letters[byte % letters.length]).join("");
}
