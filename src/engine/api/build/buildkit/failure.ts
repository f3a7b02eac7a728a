/**
 * Failures as BuildKit tells them: a status, with the lines of the Dockerfile and the step in its details, as JSON under the
 * names that its clients have registered. What a message says stays as it is.
 */
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import { CODES, type StatusDetail, statusOf } from "#base/grpc/grpc.ts";

const TYPES = "github.com/moby/buildkit/errdefs";

/** Lines around those that a failure is about, which clients show. */
const AROUND = 10;

/** BuildKit's own errors are of no particular kind, but for what has ended. */
export function asBuildKit(error: unknown): Failure {
  const facts = error instanceof Failure ? error.facts : {};
  if ("grpcDetails" in facts || "grpcCode" in facts) return error as Failure;
  const details = [...vertexDetail(facts), ...sourceDetail(facts), ...subrequestDetail(facts)];
  const kind = kindOf(error);
  const message = kind === "cancelled" ? "context canceled" : messageOf(error);
  return fail(kind, message, { cause: error, facts: { ...facts, grpcCode: codeOf(error), grpcDetails: details } });
}

/** Clients put the name of any other code before the message. */
const kept: readonly number[] = [CODES.CANCELLED, CODES.DEADLINE_EXCEEDED];

function codeOf(error: unknown): number {
  const { code } = statusOf(error);
  return kept.includes(code) ? code : CODES.UNKNOWN;
}

type Facts = Readonly<Record<string, unknown>>;

function vertexDetail({ vertex }: Facts): StatusDetail[] {
  return typeof vertex === "string" ? [detail("Vertex", { digest: vertex })] : [];
}

function subrequestDetail({ subrequest }: Facts): StatusDetail[] {
  return typeof subrequest === "string" ? [detail("Subrequest", { name: subrequest })] : [];
}

function sourceDetail({ lines, source }: Facts): StatusDetail[] {
  if (!Array.isArray(lines) || source === undefined) return [];
  const [start, end] = lines as [number, number];
  const { name, text } = source as { name: string; text: string };
  const data = excerpt(text, start, end);
  return [detail("Source", { info: { filename: name, data: Buffer.from(data).toString("base64"), language: "Dockerfile" }, ranges: [{ start: { line: start }, end: { line: end } }] })];
}

/** A header has little room: of a long file, lines that nobody will look at are left empty. */
function excerpt(text: string, start: number, end: number): string {
  if (text.length < 8192) return text;
  const lines = text.split("\n").slice(0, end + AROUND);
  return lines.map((line, at) => (at + 1 < start - AROUND ? "" : line.slice(0, 500))).join("\n");
}

const detail = (name: string, value: object): StatusDetail => ({ typeUrl: `${TYPES}.${name}+json`, value: Buffer.from(JSON.stringify(value)) });
