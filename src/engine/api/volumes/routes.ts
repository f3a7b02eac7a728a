/** /volumes. */
import { fail } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, created, empty, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { jsonBody } from "../body.ts";
import { any, record, string, struct } from "../decode.ts";
import { filters, flag } from "../query.ts";
import type { VolumeRecord } from "../../engine.ts";

const decodeCreate = struct({ Name: string, Driver: string, DriverOpts: record(string), Labels: record(string), ClusterVolumeSpec: any });

export function volumeRoutes({ volumes }: ApiParts): ApiRoute[] {
  async function create(call: ApiCall): Promise<Answer> {
    const body = decodeCreate((await jsonBody(call)) ?? null, "VolumeCreateRequest");
    if (body.ClusterVolumeSpec !== null) throw fail("unavailable", NOT_A_MANAGER);
    const made = await volumes.create({
      ...(body.Name === "" ? {} : { name: body.Name }),
      ...(body.Driver === "" ? {} : { driver: body.Driver }),
      ...(body.Labels === null ? {} : { labels: { ...body.Labels } }),
      ...(body.DriverOpts === null ? {} : { options: { ...body.DriverOpts } }),
    });
    return created(inspectVolume(made));
  }

  async function list({ query }: ApiCall): Promise<Answer> {
    const found = await volumes.listAll(filters(query, ["dangling", "driver", "label", "name", "snapshot"]));
    return ok({ Volumes: found.volumes.map((volume) => inspectVolume(volume)), Warnings: found.warnings.length === 0 ? null : found.warnings });
  }

  async function inspect({ params }: ApiCall): Promise<Answer> {
    const { record, status } = await volumes.inspect(params["name"]!);
    return ok(inspectVolume(record, status));
  }

  async function prune({ query, version }: ApiCall): Promise<Answer> {
    const given = new Map(filters(query, ["label", "label!", "all"]));
    // Named volumes were pruned too before 1.42.
    if (version < 42) given.set("all", ["true"]);
    const { deleted, reclaimed } = await volumes.prune(given);
    return ok({ VolumesDeleted: deleted, SpaceReclaimed: reclaimed });
  }

  return [
    { method: "GET", path: "/volumes", run: list },
    { method: "POST", path: "/volumes/create", run: create },
    { method: "POST", path: "/volumes/prune", since: 25, run: prune },
    { method: "GET", path: "/volumes/{name}", run: inspect },
    {
      method: "DELETE",
      path: "/volumes/{name}",
      run: async ({ params, query }) => {
        await volumes.remove(params["name"]!, { force: flag(query, "force") });
        return empty();
      },
    },
    {
      method: "PUT",
      path: "/volumes/{name}",
      since: 42,
      run: () => {
        throw fail("unavailable", NOT_A_MANAGER);
      },
    },
  ];
}

export const NOT_A_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

export function inspectVolume(volume: VolumeRecord, status: Readonly<Record<string, unknown>> = {}): object {
  const shown = { ...status, ...(volume.snapshotOf === undefined ? {} : { SnapshotOf: volume.snapshotOf, ReadOnly: true }) };
  return {
    // Whole seconds, as a volume's folder would tell them.
    CreatedAt: volume.created.replace(/\.\d+/, ""),
    Driver: volume.driver,
    Labels: nullIfBare(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: nullIfBare(volume.options),
    Scope: volume.scope ?? "local",
    ...(Object.keys(shown).length === 0 ? {} : { Status: shown }),
  };
}

const nullIfBare = (map: Readonly<Record<string, string>>) => (Object.keys(map).length === 0 ? null : map);
