/** /images. What goes to registries is in ../registries. */
import { fail } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, empty, ok } from "../answer.ts";
import type { ApiParts, LoadProgress, Platform, RemovedImage } from "../api.ts";
import { bytesOf } from "../body.ts";
import { translate } from "../compat.ts";
import { filters, flag, platformsJson, platformText, text } from "../query.ts";
import { pull } from "../registries/routes.ts";
import { sendBytes, sendProgress } from "../streaming.ts";
import { inspectImage, summarizeImage } from "./inspect.ts";

/** docker-compose 1 looks there for the volumes of a service's image, to keep them when a container is made anew. */
function asOldComposeReads(image: { readonly Config?: unknown }, agent: string | undefined): object {
  return agent?.startsWith("docker-compose/1.") === true ? { ContainerConfig: image.Config ?? {} } : {};
}

export function imageRoutes({ images, registries, facts }: ApiParts): ApiRoute[] {
  async function list({ query, version }: ApiCall): Promise<Answer> {
    const manifests = version >= 47 && flag(query, "manifests");
    if (version >= 54 && flag(query, "identity") && !manifests) throw fail("invalid", "identity requires manifests to be set");
    const given = filters(query, ["before", "dangling", "label", "label!", "reference", "since", "until"]);
    const found = await images.list({ all: flag(query, "all"), filters: given, sharedSize: version >= 42 && flag(query, "shared-size"), manifests });
    return ok(found.map((image) => translate("image-summary", summarizeImage(image), version)));
  }

  async function inspect({ params, query, version, headers }: ApiCall): Promise<Answer> {
    const manifests = version >= 48 && flag(query, "manifests");
    const platform = version >= 49 ? onePlatform(query) : {};
    if (manifests && platform.platform !== undefined) throw fail("invalid", "conflicting options: manifests and platform options cannot both be set");
    const image = await images.get(params["name"]!, { ...platform, manifests });
    const shown = inspectImage(image, version < 52 ? facts.storageDriver : undefined);
    return ok({ ...translate("image", shown, version), ...asOldComposeReads(shown, headers["user-agent"]) });
  }

  async function history({ params, query, version }: ApiCall): Promise<Answer> {
    const entries = await images.history(params["name"]!, version >= 48 ? onePlatform(query) : {});
    return ok(
      entries.map(({ comment, created, createdBy, id, size, tags }) => ({ Comment: comment, Created: created, CreatedBy: createdBy, Id: id, Size: size, Tags: tags.length === 0 ? null : tags })),
    );
  }

  async function tag({ params, query }: ApiCall): Promise<Answer> {
    await images.tag(params["name"]!, targetOf(query));
    return empty(201);
  }

  async function remove({ params, query, version }: ApiCall): Promise<Answer> {
    const platforms = version >= 50 ? platformsJson(query, "platforms") : [];
    return ok(await images.remove(params["name"]!, { force: flag(query, "force"), noprune: flag(query, "noprune"), platforms }));
  }

  async function prune({ query }: ApiCall): Promise<Answer> {
    const { deleted, reclaimed } = await images.prune(filters(query, ["dangling", "label", "label!", "until"]));
    return ok({ ImagesDeleted: deleted.length === 0 ? null : (deleted as RemovedImage[]), SpaceReclaimed: reclaimed });
  }

  async function load(call: ApiCall): Promise<Answer> {
    const platforms = severalPlatforms(call);
    const quiet = flag(call.query, "quiet", true);
    const progress = images.load(bytesOf(call.request), { platforms, signal: call.signal });
    return await sendProgress(call, loadMessages(progress, quiet));
  }

  async function save(call: ApiCall): Promise<Answer> {
    const platforms = severalPlatforms(call);
    const one = call.params["name"];
    const names = one === undefined ? call.query.getAll("names") : [one];
    if (names.length === 0) throw fail("invalid", "no image names given");
    return await sendBytes(call, "application/x-tar", await images.save(names, { platforms, signal: call.signal }));
  }

  /** Pull (fromImage) or import (fromSrc). */
  async function create(call: ApiCall): Promise<Answer> {
    const { query } = call;
    return text(query, "fromImage") === "" ? await importArchive(call) : await pull({ registries }, call);
  }

  async function importArchive(call: ApiCall): Promise<Answer> {
    const { query } = call;
    const source = text(query, "fromSrc");
    if (source === "") throw fail("invalid", "neither fromImage nor fromSrc is given");
    const target = text(query, "repo") === "" ? "" : targetOf(query);
    const platform = parsePlatform(platformText(query));
    async function* messages() {
      const remote = source === "-" ? undefined : await (await import("../../images/remote-archive.ts")).openRemoteArchive(source, call.signal);
      if (remote !== undefined) yield { status: `Downloading from ${remote.url}` };
      const id = await images.import(remote?.bytes ?? bytesOf(call.request), {
        target,
        source: remote?.url ?? "-",
        message: text(query, "message"),
        changes: query.getAll("changes"),
        ...(platform === undefined ? {} : { platform }),
        signal: call.signal,
      });
      yield { status: id };
    }
    return await sendProgress(call, messages());
  }

  return [
    { method: "GET", path: "/images/json", run: list },
    { method: "GET", path: "/images/get", run: save },
    { method: "POST", path: "/images/create", run: create },
    { method: "POST", path: "/images/load", run: load },
    { method: "POST", path: "/images/prune", since: 25, run: prune },
    { method: "GET", path: "/images/{name...}/json", run: inspect },
    { method: "GET", path: "/images/{name...}/history", run: history },
    { method: "GET", path: "/images/{name...}/get", run: save },
    { method: "POST", path: "/images/{name...}/tag", run: tag },
    { method: "DELETE", path: "/images/{name...}", run: remove },
  ];
}

async function* loadMessages(progress: AsyncIterable<LoadProgress>, quiet: boolean): AsyncIterable<object> {
  for await (const step of progress) {
    if (step.kind === "loaded") yield { stream: `Loaded image${step.named ? "" : " ID"}: ${step.name}\n` };
    else if (!quiet) yield { status: step.status, progressDetail: { current: step.current, total: step.total }, id: step.id };
  }
}

function severalPlatforms({ query, version }: ApiCall): Platform[] {
  const platforms = version >= 48 ? platformsJson(query) : [];
  if (platforms.length > 1 && version < 52) throw fail("invalid", "multiple platform parameters are not supported in this API version; use API version 1.52 or newer");
  return platforms;
}

function onePlatform(query: URLSearchParams): { platform?: Platform } {
  const [platform, another] = platformsJson(query);
  if (another !== undefined) throw fail("invalid", "specifying multiple platforms is not supported here");
  return platform === undefined ? {} : { platform };
}

function parsePlatform(given: string | undefined): Platform | undefined {
  if (given === undefined) return undefined;
  const [os = "", architecture = "", variant] = given.split("/");
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `repo` and `tag` of a query; the tag may stand in `repo` too. */
function targetOf(query: URLSearchParams): string {
  const [repo, tag] = [text(query, "repo"), text(query, "tag")];
  if (repo.includes("@") || tag.includes(":")) throw fail("invalid", "refusing to create a tag with a digest reference");
  return tag === "" ? repo : `${repo}:${tag}`;
}
