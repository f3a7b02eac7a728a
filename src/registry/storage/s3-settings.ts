/**
 * Where a bucket is and who we are there. An address says it in one word:
 *
 *     s3://BUCKET/PREFIX?region=eu-central-1&endpoint=https://HOST:PORT&path-style=true&profile=NAME&ca=FILE
 *
 * Credentials are never in the address. They come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN) or from a file as other tools write it (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials), which is
 * read again when it changes, so that keys can be rotated under a running server.
 */
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fail } from "#base/errors.ts";

export type S3Settings = {
  readonly endpoint: URL;
  readonly region: string;
  readonly bucket: string;
  /** "" or ends in "/". */
  readonly prefix: string;
  /** https://HOST/BUCKET/KEY; else https://BUCKET.HOST/KEY. */
  readonly pathStyle: boolean;
  /** PEM, besides (instead of) the certificates that Node knows. */
  readonly ca?: string;
  /** Asked before each request. */
  readonly credentials: () => Promise<S3Credentials>;
};

export type S3Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };

type Environment = Readonly<Record<string, string | undefined>>;

const KNOWN = new Set(["region", "endpoint", "path-style", "profile", "credentials", "ca"]);

/** @throws invalid for an address that is none. */
export async function parseS3Address(address: string, environment: Environment = process.env): Promise<S3Settings> {
  const url = URL.parse(address);
  if (url === null || url.protocol !== "s3:" || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname)) throw invalid(address, "s3://BUCKET[/PREFIX][?region=…&endpoint=…] is expected");
  if (url.username !== "" || url.password !== "") throw invalid("s3://…", "credentials do not belong in it: give them by environment or file");
  for (const name of url.searchParams.keys()) if (!KNOWN.has(name)) throw invalid(address, `unknown option ${JSON.stringify(name)}`);
  const option = (name: string) => url.searchParams.get(name) ?? undefined;
  const region = option("region") ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const given = option("endpoint") ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
  const endpoint = URL.parse(given ?? `https://s3.${region}.amazonaws.com`);
  if (endpoint === null || !/^https?:$/.test(endpoint.protocol)) throw invalid(address, "the endpoint must be an http or https URL");
  const prefix = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, "");
  const ca = option("ca");
  return {
    endpoint,
    region,
    bucket: url.hostname,
    prefix: prefix === "" ? "" : `${prefix}/`,
    // What is not the cloud itself rarely has a name per bucket.
    pathStyle: option("path-style") === undefined ? given !== undefined : option("path-style") === "true",
    ...(ca === undefined ? {} : { ca: await readFile(ca, "utf8") }),
    credentials: findCredentials({ file: option("credentials"), profile: option("profile"), environment }),
  };
}

const invalid = (address: string, what: string) => fail("invalid", `storage ${address}: ${what}`);

type Where = { readonly file: string | undefined; readonly profile: string | undefined; readonly environment: Environment };

function findCredentials({ file, profile, environment }: Where): () => Promise<S3Credentials> {
  const accessKeyId = environment["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"];
  if (file === undefined && profile === undefined && accessKeyId !== undefined && secretAccessKey !== undefined) {
    const sessionToken = environment["AWS_SESSION_TOKEN"];
    const fixed = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
    return () => Promise.resolve(fixed);
  }
  const path = file ?? environment["AWS_SHARED_CREDENTIALS_FILE"] ?? join(homedir(), ".aws/credentials");
  return readWhenChanged(path, profile ?? environment["AWS_PROFILE"] ?? "default");
}

/** Looks at the file's date at most once in ten seconds. */
function readWhenChanged(path: string, profile: string): () => Promise<S3Credentials> {
  let known: { credentials: S3Credentials; modified: number } | undefined;
  let looked = -Infinity;
  return async () => {
    if (known !== undefined && performance.now() - looked < 10_000) return known.credentials;
    const { mtimeMs: modified } = await stat(path).catch((cause: unknown) => {
      throw fail("unavailable", `S3: no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor the file ${path}`, { cause });
    });
    if (known?.modified !== modified) known = { credentials: parseCredentials(await readFile(path, "utf8"), profile, path), modified };
    looked = performance.now();
    return known.credentials;
  };
}

/** The ini file that the cloud's tools write. @throws invalid */
export function parseCredentials(text: string, profile: string, path: string): S3Credentials {
  const values = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const head = /^\[(.*)\]$/.exec(line);
    if (head !== null) section = head[1]!.trim();
    else if (section === profile && !/^[#;]/.test(line) && line.includes("=")) {
      const mark = line.indexOf("=");
      values.set(line.slice(0, mark).trim(), line.slice(mark + 1).trim());
    }
  }
  const [accessKeyId, secretAccessKey] = [values.get("aws_access_key_id"), values.get("aws_secret_access_key")];
  if (accessKeyId === undefined || secretAccessKey === undefined) throw fail("invalid", `S3: read credentials from ${path}: profile ${JSON.stringify(profile)} has no aws_access_key_id and aws_secret_access_key`);
  const sessionToken = values.get("aws_session_token");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
