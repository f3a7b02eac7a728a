/** What is kept of a build, with why each of its steps was made: what BuildKit's history has no field for. */
import type { BuildRecord } from "#builder/history/history.ts";

export function pastJson(record: BuildRecord): object {
  const { ref, dockerfile, context, target, names, platforms, status, error, created, completed, steps, warnings, image, metadata, explained } = record;
  return {
    Ref: ref,
    Dockerfile: dockerfile,
    Context: context,
    Target: target,
    Names: names,
    Platforms: platforms,
    Status: status,
    Error: error ?? "",
    Created: timeOf(created),
    Completed: completed === undefined ? null : timeOf(completed),
    Steps: { Total: steps.total, Completed: steps.completed, Cached: steps.cached },
    Warnings: warnings,
    Image: image ?? "",
    Metadata: metadata,
    Explained: explained.map(({ name, cached, why }) => ({ name, cached, why })),
  };
}

const timeOf = (nanoseconds: bigint): string => new Date(Number(nanoseconds / 1_000_000n)).toISOString();
