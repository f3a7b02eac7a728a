/**
 * The one kind of graph that clients may send: files of a repository or a URL, as `buildx bake URL` reads its definition from
 * and makes contexts of; newer ones look into any context that is an address. It is read as what it stands for, an address;
 * all else in a graph is refused.
 */
import { posix } from "node:path";
import { bool, bytes, int64, many, map, message, type Of, sub, text } from "#base/protobuf.ts";
import type { definition } from "#spec/buildkit/control.ts";

export type RemoteGraph = {
  /** As a build's context: "https://HOST/r.git#main:dir". */
  readonly url: string;
  /** The file itself, which the client calls so; undefined: the files in it. */
  readonly file: string | undefined;
  readonly from: "git" | "http";
};

const copy = message("pb.FileActionCopy", { src: text(1), dest: text(2), unpack: bool(7), includes: many(text(12)), excludes: many(text(13)) });
const action = message("pb.FileAction", { input: int64(1), secondary: int64(2), copy: sub(4, copy) });
const source = message("pb.SourceOp", { identifier: text(1), attrs: map(2, text(0)) });
const op = message("pb.Op", {
  inputs: many(sub(1, message("pb.Input", { digest: text(1), index: int64(2) }))),
  exec: bytes(2), source: sub(3, source), file: sub(4, message("pb.FileOp", { actions: many(sub(2, action)) })), build: bytes(5), merge: bytes(6), diff: bytes(7),
});

const HTTP = /^https?:\/\//;

/** Undefined: it is something else. */
export function remoteGraph({ def }: Of<typeof definition>): RemoteGraph | undefined {
  if (def.length < 2 || def.length > 3) return undefined;
  const [first, ...rest] = def.map((one) => op.decode(one));
  const copied = rest.length === 2 ? rest[0] : undefined;
  const others = [first!, ...rest].some(({ exec, build, merge, diff }) => [exec, build, merge, diff].some((one) => one !== undefined && one.length > 0));
  if (others || first!.source === undefined || rest.some((one) => one.source !== undefined) || rest.at(-1)!.file !== undefined) return undefined;
  const { identifier, attrs } = first!.source;
  if (copied === undefined) return sourceAlone(identifier, attrs);
  const [only, ...more] = copied.file?.actions ?? [];
  if (only?.copy === undefined || more.length > 0 || only.copy.dest !== "/" || only.copy.includes.length > 0 || only.copy.excludes.length > 0) return undefined;
  return copyOf(identifier, attrs, only.copy);
}

type Attributes = Readonly<Record<string, string>>;

function sourceAlone(identifier: string, attrs: Attributes): RemoteGraph | undefined {
  if (HTTP.test(identifier)) return { url: identifier, file: attrs["http.filename"] || "context", from: "http" };
  const url = repository(identifier, attrs, "");
  return url === undefined ? undefined : { url, file: undefined, from: "git" };
}

/** A folder of a repository, or what is in an archive. */
function copyOf(identifier: string, attrs: Attributes, { src, unpack }: { readonly src: string; readonly unpack: boolean }): RemoteGraph | undefined {
  if (unpack) return HTTP.test(identifier) && src === `/${attrs["http.filename"]}` ? { url: identifier, file: undefined, from: "http" } : undefined;
  const url = repository(identifier, attrs, src);
  return url === undefined ? undefined : { url, file: undefined, from: "git" };
}

function repository(identifier: string, attrs: Attributes, folder: string): string | undefined {
  const [, fragment = ""] = /^git:\/\/[^#]*(?:#(.*))?$/s.exec(identifier) ?? [undefined, undefined];
  const full = attrs["git.fullurl"] ?? "";
  if (!identifier.startsWith("git://") || full === "" || /[?#]/.test(full)) return undefined;
  const [ref = "", ...below] = fragment.split(":");
  const subdir = posix.join("/", below.join(":"), folder).slice(1);
  const query = new URLSearchParams({
    ...(attrs["git.checksum"] && { checksum: attrs["git.checksum"] }),
    ...(attrs["git.keepgitdir"] === "true" && { "keep-git-dir": "1" }),
    ...(attrs["git.skipsubmodules"] === "true" && { submodules: "0" }),
  });
  return `${full}${query.size === 0 ? "" : `?${query}`}${ref === "" && subdir === "" ? "" : `#${ref}${subdir === "" ? "" : `:${subdir}`}`}`;
}
