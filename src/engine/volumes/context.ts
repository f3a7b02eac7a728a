/** What the functions of this folder work with. */
import { randomBytes } from "node:crypto";
import { Failure, fail, kindOf, messageOf } from "#base/errors.ts";
import type { LocalDriver, VolumeDriver } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import type { VolumeRecords } from "./records.ts";
import type { VolumeParts } from "./volumes.ts";

export type VolumeContext = VolumeParts & {
  readonly records: VolumeRecords;
  readonly local: LocalDriver;
  /** Names in `.making` that somebody of this engine is at work on. */
  readonly making: Set<string>;
  /** Volumes that are being copied or read: nobody removes or renames them. */
  readonly held: Map<string, number>;
  /** Of plugins' volumes, by name: who has it mounted, and who ("user name") is giving it back just now. */
  readonly mounts: { readonly users: Map<string, Set<string>>; readonly leaving: Set<string> };
};

/** @throws not-found, with Docker's text */
export async function driverOf(ctx: Pick<VolumeContext, "local" | "drivers">, name: string, volume: string, verb: string): Promise<VolumeDriver> {
  if (name === "" || name === "local") return ctx.local;
  try {
    if (ctx.drivers !== undefined) return await ctx.drivers.find(name);
  } catch (error) {
    const facts = error instanceof Failure ? { facts: error.facts } : {};
    throw fail(kindOf(error), `${verb} ${volume}: error looking up volume plugin ${name}: ${messageOf(error)}`, { cause: error, ...facts });
  }
  throw fail("not-found", `${verb} ${volume}: error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`);
}

/** A folder for a new tree: `work` is told its name. What is left of it when `work` fails is removed. */
export function newStage(ctx: VolumeContext): Disposable & { readonly name: string } {
  const name = randomBytes(16).toString("hex");
  ctx.making.add(name);
  return { name, [Symbol.dispose]: () => void ctx.making.delete(name) };
}

export function publish(ctx: Pick<VolumeParts, "events">, action: string, { name, driver }: VolumeRecord, more: Record<string, string> = {}): void {
  ctx.events.publish({ Type: "volume", Action: action, Actor: { ID: name, Attributes: { driver, ...more } } });
}

export function hold({ held }: VolumeContext, name: string): Disposable {
  held.set(name, (held.get(name) ?? 0) + 1);
  return {
    [Symbol.dispose]() {
      const left = (held.get(name) ?? 1) - 1;
      if (left === 0) held.delete(name);
      else held.set(name, left);
    },
  };
}

/** @throws conflict, with Docker's text */
export function refuseUsed(ctx: VolumeContext, name: string, verb: string): void {
  if (ctx.held.has(name)) throw fail("conflict", `${verb} ${name}: volume is in use - its content is being copied`);
  const users = ctx.usersOf(name);
  if (users.length > 0) throw fail("conflict", `${verb} ${name}: volume is in use - [${users.join(", ")}]`, { facts: { users } });
}
