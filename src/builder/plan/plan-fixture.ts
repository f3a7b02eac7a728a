/** Plans of Dockerfiles for tests: with a handful of base images. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { chainIds, MEDIA } from "#spec/image.ts";
import { normalizePlatform, parsePlatform, type Platform } from "#spec/platform.ts";
import type { BuildRequest } from "../builder.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import type { Step } from "../graph.ts";
import { type BaseImage, type Plan, planBuild, type PlanInput } from "./plan.ts";

export const HOST: Platform = { os: "linux", architecture: "amd64" };

export const REQUEST: BuildRequest = {
  ref: "aaaaaaaaaaaaaaaaaaaaaaaaa", dockerfile: { path: "Dockerfile", separate: false }, context: "", contexts: {}, target: "", buildArgs: {}, labels: {}, platforms: [], noCache: false, pull: false,
  run: { network: "", extraHosts: [], ulimits: [], shmSize: 0, cgroupParent: "", limits: {} }, entitlements: [], exports: [], cacheFrom: [], cacheTo: [], attestations: {}, squash: "no",
};

type Config = Readonly<Record<string, unknown>>;

/** name → config; "amd64only" exists for one machine. */
const IMAGES: Readonly<Record<string, Config>> = {
  "docker.io/library/busybox:latest": { Env: ["PATH=/bin"], Cmd: ["sh"] },
  "docker.io/library/app:1": { Env: ["PATH=/bin", "A=base"], Entrypoint: ["/app"], Cmd: ["serve"], WorkingDir: "/srv", User: "web", Labels: { base: "yes" }, ExposedPorts: { "80/tcp": {} } },
  "docker.io/library/bare:latest": {},
  "docker.io/library/trigger:latest": { OnBuild: ["COPY package.json /app/", "RUN npm ci"] },
  "docker.io/library/puller:latest": { OnBuild: ["COPY --from=busybox /bin/sh /sh"] },
};

export function baseImage(name: string, platform: Platform): BaseImage {
  const config = IMAGES[name];
  if (config === undefined) throw fail("not-found", `${name}: not found`);
  const diffId = sha256(`${name} ${platform.architecture}`);
  return {
    reference: name,
    digest: sha256(name),
    manifest: sha256(`manifest ${name} ${platform.architecture}`),
    platform: name.includes("/app:") ? normalizePlatform(HOST) : platform,
    document: { config, author: "base", history: [{ created_by: "base" }] },
    layers: [{ descriptor: { mediaType: MEDIA.ociLayer, digest: diffId, size: 1 }, diffId }],
    chain: chainIds([diffId])[0]!,
  };
}

export type Wish = Partial<BuildRequest> & Pick<Partial<PlanInput>, "ignore" | "ignoreOf" | "remote">;

export function plan(text: string, { ignore = [], ignoreOf, remote, ...wish }: Wish = {}): Promise<Plan> {
  return planBuild({
    dockerfile: parseDockerfile(text),
    request: { ...REQUEST, ...wish },
    images: { resolve: async (name, { platform }) => baseImage(name, platform) },
    host: HOST,
    ignore,
    ...(ignoreOf && { ignoreOf }),
    ...(remote && { remote }),
    signal: new AbortController().signal,
  });
}

export const platform = (text: string): Platform => parsePlatform(text, HOST);

/** The steps of one kind, in order. */
export function stepsOf<K extends Step["op"]["kind"]>({ graph }: Plan, kind: K): (Step & { op: Extract<Step["op"], { kind: K }> })[] {
  return graph.steps.filter((step): step is Step & { op: Extract<Step["op"], { kind: K }> } => step.op.kind === kind);
}
