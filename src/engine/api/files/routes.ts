/** A container's files: /containers/{id}/archive, changes, export; /commit. */
import { fail } from "#base/errors.ts";
import { lend, lendable } from "#base/http-lend.ts";
import { lendBody } from "#base/http-lend-body.ts";
import type { Change, PathStat } from "../../files/files.ts";
import { type Answer, type ApiCall, type ApiRoute, created, empty, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { bytesOf, jsonBody } from "../body.ts";
import { flag, text } from "../query.ts";
import { sendOwnBytes } from "../streaming.ts";
import { parseCommitConfig } from "./commit-body.ts";
import { goMode } from "./go-mode.ts";

const STAT = "X-Docker-Container-Path-Stat";
const KINDS: Readonly<Record<Change["kind"], number>> = { modified: 0, added: 1, deleted: 2 };

export function fileRoutes({ files }: ApiParts): ApiRoute[] {
  async function stat({ params, query, response }: ApiCall): Promise<Answer> {
    response.setHeader(STAT, encode(await files.stat(params["id"]!, pathOf(query))));
    return empty(200);
  }

  async function read(call: ApiCall): Promise<Answer> {
    const { stat, archive } = await files.read(call.params["id"]!, pathOf(call.query), { signal: call.signal });
    call.response.setHeader(STAT, encode(stat));
    return await sendOwnBytes(call, "application/x-tar", archive);
  }

  async function write(call: ApiCall): Promise<Answer> {
    const { query, request, signal } = call;
    const lent = lendBody(call);
    try {
      await files.write(call.params["id"]!, pathOf(query), bytesOf(request), {
        noOverwriteDirNonDir: flag(query, "noOverwriteDirNonDir"),
        copyUidGid: flag(query, "copyUIDGID"),
        ...(lent !== undefined && { lent }),
        signal,
      });
    } catch (error) {
      lent?.done(false);
      throw error;
    }
    lent?.done(true);
    return empty(200);
  }

  async function changes({ params }: ApiCall): Promise<Answer> {
    const found = await files.changes(params["id"]!);
    return ok(found.length === 0 ? null : found.map(({ kind, path }) => ({ Path: path, Kind: KINDS[kind] })));
  }

  async function exportTree(call: ApiCall): Promise<Answer> {
    const connection = lendable(call);
    const archive = await files.export(call.params["id"]!, { signal: call.signal, ...(connection === undefined ? {} : { connection }) });
    if (!("send" in archive)) return await sendOwnBytes(call, "application/octet-stream", archive);
    return await lend(call, "application/octet-stream", archive.send);
  }

  async function commit(call: ApiCall): Promise<Answer> {
    const { query, signal } = call;
    const container = text(query, "container");
    if (container === "") throw fail("invalid", 'invalid name or ID supplied: ""');
    const config = parseCommitConfig(await jsonBody(call));
    const id = await files.commit(container, {
      target: targetOf(query),
      author: text(query, "author"),
      comment: text(query, "comment"),
      changes: query.getAll("changes"),
      pause: flag(query, "pause", true),
      ...(config === undefined ? {} : { config }),
      signal,
    });
    return created({ Id: id });
  }

  return [
    { method: "HEAD", path: "/containers/{id}/archive", run: stat },
    { method: "GET", path: "/containers/{id}/archive", run: read },
    { method: "PUT", path: "/containers/{id}/archive", run: write },
    { method: "GET", path: "/containers/{id}/changes", run: changes },
    { method: "GET", path: "/containers/{id}/export", run: exportTree },
    { method: "POST", path: "/commit", run: commit },
  ];
}

function pathOf(query: URLSearchParams): string {
  const path = text(query, "path");
  if (path === "") throw fail("invalid", "bad parameter: path cannot be empty");
  return path;
}

/** Base64 of JSON, as clients expect it in the header. */
function encode({ name, size, mode, mtime, linkTarget }: PathStat): string {
  return Buffer.from(JSON.stringify({ name, size, mode: goMode(mode), mtime, linkTarget })).toString("base64");
}

/** The tag may stand in `repo` too. */
function targetOf(query: URLSearchParams): string {
  const [repo, tag] = [text(query, "repo"), text(query, "tag")];
  if (repo === "") return "";
  if (repo.includes("@")) throw fail("invalid", "refusing to create a tag with a digest reference");
  return tag === "" ? repo : `${repo}:${tag}`;
}
