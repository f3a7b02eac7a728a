import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { shortId } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { pullProgress } from "./pull-progress.ts";
import { pushProgress } from "./push-progress.ts";
import type { Message } from "./registries.ts";

const [a, b, c, d] = ["a", "b", "c", "d"].map((text) => ({ mediaType: MEDIA.ociLayerGzip, digest: sha256(Buffer.from(text)), size: 100 })) as [Layer, Layer, Layer, Layer];
type Layer = { mediaType: string; digest: ReturnType<typeof sha256>; size: number };
const names = new Map([a, b, c, d].map(({ digest }, at) => [shortId(digest), "abcd"[at]]));
const shown = (messages: readonly Message[]) => messages.map(({ id, status, progressDetail }) => `${names.get(id!)} ${status}${progressDetail?.current === undefined ? "" : ` ${progressDetail.current}/${progressDetail.total}`}`);

test("a pull's layers, as Docker tells of them", () => {
  const messages: Message[] = [];
  const progress = pullProgress((message) => void messages.push(message), 2);
  for (const [descriptor, here] of [[a, true], [b, false], [c, false], [d, false], [b, false]] as const) progress.fetched({ kind: "layer", descriptor, here });
  progress.fetched({ kind: "progress", digest: b.digest, current: 10, total: 100, resumedAt: 5 });
  progress.fetched({ kind: "progress", digest: b.digest, current: 20, total: 100, resumedAt: 5 });
  progress.fetched({ kind: "progress", digest: b.digest, current: 100, total: 100, resumedAt: 5 });
  progress.fetched({ kind: "retry", digest: c.digest, seconds: 1, reason: "cut" });
  progress.fetched({ kind: "verifying", digest: b.digest });
  progress.fetched({ kind: "done", digest: b.digest });
  progress.fetched({ kind: "done", digest: a.digest });
  progress.fetched({ kind: "done", digest: sha256(Buffer.from("a configuration")) });
  progress.extracted(b.digest, 100, 100);
  progress.extracted(a.digest, 100, 100);
  progress.complete();
  assert.deepEqual(shown(messages), [
    "a Already exists", "b Pulling fs layer", "c Pulling fs layer", "d Pulling fs layer", "d Waiting",
    // The second number came too soon after the first to be worth a message; the last always is.
    "b Downloading 10/100", "b Downloading 100/100", "c Retrying in 1 second", "b Verifying Checksum", "b Download complete", "b Extracting 100/100",
    "b Pull complete", "c Pull complete", "d Pull complete",
  ]);
  assert.equal(messages.find(({ status }) => status === "Downloading")?.progressDetail?.resumedAt, 5);
});

test("a push's layers, without configuration and manifest", () => {
  const messages: Message[] = [];
  const progress = pushProgress((message) => void messages.push(message), 1);
  const config = { mediaType: MEDIA.ociConfig, digest: sha256(Buffer.from("config")), size: 10 };
  for (const descriptor of [config, a, b, c, a]) progress.pushed({ kind: "blob", descriptor });
  progress.pushed({ kind: "exists", digest: c.digest });
  progress.pushed({ kind: "progress", digest: a.digest, current: 50, total: 100 });
  progress.pushed({ kind: "progress", digest: a.digest, current: 100, total: 100 });
  progress.pushed({ kind: "pushed", digest: a.digest });
  progress.pushed({ kind: "pushed", digest: config.digest });
  progress.pushed({ kind: "mounted", digest: b.digest, from: "library/other" });
  progress.pushed({ kind: "manifest", descriptor: config, tag: "1" });
  assert.deepEqual(shown(messages), [
    "a Preparing", "b Preparing", "c Preparing", "c Layer already exists", "b Waiting", "a Pushing 50/100", "a Pushing 100/100", "a Pushed", "b Mounted from library/other",
  ]);
});
