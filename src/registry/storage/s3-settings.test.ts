/** How a bucket is named, who we are there, and the little XML it answers with. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openS3Client, urlOf } from "./s3-client.ts";
import { parseCredentials, parseS3Address } from "./s3-settings.ts";
import { elementsIn, errorOf, escapeXml, textIn, unescapeXml } from "./s3-xml.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-s3-settings-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const keys = { AWS_ACCESS_KEY_ID: "K", AWS_SECRET_ACCESS_KEY: "S" };

test("an address: the cloud's own by default, another server with the bucket in the path", async () => {
  const cloud = await parseS3Address("s3://images/some/where/?region=eu-central-1", keys);
  assert.deepEqual([cloud.endpoint.href, cloud.region, cloud.bucket, cloud.prefix, cloud.pathStyle], ["https://s3.eu-central-1.amazonaws.com/", "eu-central-1", "images", "some/where/", false]);
  const other = await parseS3Address("s3://images?endpoint=http://127.0.0.1:9000", { ...keys, AWS_SESSION_TOKEN: "T" });
  assert.deepEqual([other.endpoint.host, other.prefix, other.pathStyle], ["127.0.0.1:9000", "", true]);
  assert.deepEqual(await other.credentials(), { accessKeyId: "K", secretAccessKey: "S", sessionToken: "T" });
  for (const address of ["s3://", "s3://UPPER", "http://x", "s3://images?colour=red", "s3://images?endpoint=file:///x"]) await assert.rejects(parseS3Address(address, keys), { kind: "invalid" }, address);
  await assert.rejects(parseS3Address("s3://key:secret@images", keys), (error: Error) => !error.message.includes("secret"));
});

test("credentials from a file, by profile", async () => {
  const file = join(folder, "credentials");
  writeFileSync(file, "[default]\naws_access_key_id = A\naws_secret_access_key = B\n# c\n[other]\naws_access_key_id=C\naws_secret_access_key=D=\naws_session_token=E\n");
  const first = await parseS3Address(`s3://images?credentials=${file}`, keys);
  assert.deepEqual(await first.credentials(), { accessKeyId: "A", secretAccessKey: "B" });
  const second = await parseS3Address(`s3://images?profile=other`, { AWS_SHARED_CREDENTIALS_FILE: file });
  assert.deepEqual(await second.credentials(), { accessKeyId: "C", secretAccessKey: "D=", sessionToken: "E" });
  assert.throws(() => parseCredentials("[default]\naws_secret_access_key=hidden\n", "default", "f"), (error: Error) => !error.message.includes("hidden"));
  const none = await parseS3Address("s3://images", { AWS_SHARED_CREDENTIALS_FILE: join(folder, "none") });
  await assert.rejects(none.credentials(), /no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor the file/);
});

test("a bucket by host name, keys with signs, and a server that always fails", async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${request.url} ${/Credential=K\/\d{8}\/us-east-1\/s3\/aws4_request/.test(request.headers.authorization ?? "")}`);
    response.writeHead(500).end("<Error><Code>InternalError</Code><Message>no &lt;luck&gt;\n</Message></Error>");
  }).listen(0, "127.0.0.1");
  after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const settings = await parseS3Address(`s3://localhost?endpoint=http://127.0.0.1:${port}&path-style=true`, keys);
  const client = openS3Client(settings);
  await assert.rejects(client.call({ method: "GET", key: "a/b c+d", query: { "list-type": "2" } }), { kind: "unavailable", message: "S3 GET a/b c+d: 500 InternalError: no <luck>" });
  assert.deepEqual(new Set(seen), new Set([`GET 127.0.0.1:${port} /localhost/a/b%20c%2Bd?list-type=2 true`]));
  assert.equal(seen.length, 5, "attempts");
  client.close();
  const hosted = { ...settings, endpoint: new URL("https://s3.test:1"), bucket: "images", prefix: "some/", pathStyle: false };
  assert.equal(urlOf(hosted, { method: "GET", key: "a" }).href, "https://images.s3.test:1/some/a");
  assert.equal(urlOf(hosted, { method: "GET", query: { prefix: "x y" } }).href, "https://images.s3.test:1/?prefix=x%20y");
});

test("xml: what is escaped, what repeats, what is not there", () => {
  const xml = "<R><Contents><Key>a&amp;b&#x41;&#66;</Key><Size>1</Size></Contents><Contents><Key>c</Key></Contents></R>";
  assert.deepEqual([...elementsIn(xml, "Contents")].map((one) => textIn(one, "Key")), ["a&bAB", "c"]);
  assert.equal(textIn(xml, "Nothing"), undefined);
  assert.equal(textIn("<Key>cut", "Key"), undefined);
  assert.equal(unescapeXml("&#x7fffffff;&unknown;&lt;"), "&#x7fffffff;&unknown;<");
  assert.equal(unescapeXml(escapeXml(`<"&'>`)), `<"&'>`);
  assert.equal(errorOf("no xml"), undefined);
});
