/** What a container is made of, as it stands in the kernel; and what one would be made of. */
import { readFile, readlink } from "node:fs/promises";
import type { CreateRequest } from "#spec/docker.ts";
import { formatAddress } from "#network/ipam/addresses.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { ContainerRecord } from "../engine.ts";
import { ofImage, readAccounts } from "./spec/accounts.ts";
import { isRunning, type Context } from "./context.ts";
import { planRecord, type CreateOptions } from "./create.ts";
import { planProgram } from "./run/plan-start.ts";
import { listProcesses } from "./processes/ps.ts";
import { joinNetworks } from "./networking/endpoints.ts";

export type Explanation = {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly pid: number;
  /** One line an op. */
  readonly program: readonly string[];
  /** "net" → "net:[4026532281]", and whether the host's is the same. */
  readonly namespaces: Readonly<Record<string, { readonly link: string; readonly shared: boolean }>>;
  /** Path of a control file → what it holds. */
  readonly cgroup: Readonly<Record<string, string>>;
  /** Lines of mountinfo. */
  readonly mounts: readonly string[];
  readonly addresses: readonly string[];
  /** Published ports, as lines. */
  readonly rules: readonly string[];
  readonly processes: { readonly titles: readonly string[]; readonly rows: readonly (readonly string[])[] };
};

export async function explain(ctx: Context, ref: string): Promise<Explanation> {
  const record = ctx.store.find(ref);
  const { pid } = record.state;
  const running = isRunning(record);
  const text = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
  const [program, namespaces, cgroup, mountinfo, fib, inet6, pids] = await Promise.all([
    storedProgram(ctx, record),
    running ? namespacesOf(pid) : {},
    running ? ctx.tasks.cgroupFiles(ctx.cgroupOf(record)) : {},
    running ? text("mountinfo") : "",
    running ? text("net/fib_trie") : "",
    running ? text("net/if_inet6") : "",
    running ? ctx.tasks.pids(ctx.cgroupOf(record)) : [],
  ]);
  const { titles, processes } = await listProcesses(pids);
  return {
    id: record.id,
    name: record.name,
    status: record.state.status,
    pid,
    program: ctx.describe(program),
    namespaces,
    cgroup,
    mounts: mountinfo.split("\n").filter((line) => line !== ""),
    addresses: [...localAddresses(fib), ...inet6Addresses(inet6)],
    rules: Object.entries(record.ports).flatMap(([port, bindings]) => bindings.map(({ HostIp, HostPort }) => `${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:${HostPort} -> ${port}`)),
    processes: { titles, rows: processes },
  };
}

/** The program that would start it now: with the endpoint it has, if it runs. */
async function storedProgram(ctx: Context, record: ContainerRecord) {
  const attachments = ctx.network.attachmentsOf(record.id);
  const accounts = await readAccounts(ctx, record);
  return await planProgram(ctx, record, { accounts, files: {}, attachments, root: ctx.snapshots.mounts(record.snapshotKey) });
}

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

async function namespacesOf(pid: number): Promise<Explanation["namespaces"]> {
  const link = (who: number | "self", name: string) => readlink(`/proc/${who}/ns/${name}`).catch(() => "");
  const found = await Promise.all(NAMESPACES.map(async (name) => [name, await link(pid, name), await link("self", name)] as const));
  return Object.fromEntries(found.filter(([, own]) => own !== "").map(([name, own, host]) => [name, { link: own, shared: own === host }]));
}

/** Addresses that fib_trie marks as the host's own: a leaf line, and "/32 host LOCAL" after it. */
export function localAddresses(fib: string): string[] {
  const found = new Set<string>();
  let leaf = "";
  for (const line of fib.split("\n")) {
    leaf = /\|-- ([\d.]+)/.exec(line)?.[1] ?? leaf;
    if (line.includes("/32 host LOCAL")) found.add(leaf);
  }
  return [...found];
}

/** Lines of if_inet6: address as 32 digits, index, prefix length, scope, flags, interface. */
export function inet6Addresses(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [digits = "", , prefix = "", , , name = ""] = line.trim().split(/\s+/);
    return digits.length === 32 ? [`${formatAddress(Buffer.from(digits, "hex"))}/${Number.parseInt(prefix, 16)} ${name}`] : [];
  });
}

/** What create and start would perform, one line an op. Nothing is made; an address is held only meanwhile. */
export async function plan(ctx: Context, request: CreateRequest, options: CreateOptions): Promise<string[]> {
  const image = await ctx.images.resolve(request.config.Image, options.platform === undefined ? {} : { platform: options.platform });
  const { record } = await planRecord(ctx, request, { image, ...options });
  ctx.store.reserve(record.name, record.id);
  ctx.store.release(record.name, record.id);
  const root = imageMounts(ctx, image.snapshot, record.id);
  const accounts = root.type === "overlay" && image.snapshot !== undefined ? await ofImage(ctx, image.snapshot, root) : { passwd: "", group: "" };
  const files = { hostname: "", hosts: "", "resolv.conf": "" };
  const joined = joinNetworks(ctx, record);
  try {
    await joined.saved;
    return ctx.describe(await planProgram(ctx, record, { accounts, files, attachments: (await joined.asked) ?? joined.attachments, root }));
  } finally {
    await ctx.network.leave(record.id);
  }
}

/** As the container's tree would be mounted. */
function imageMounts(ctx: Context, snapshot: string | undefined, id: string): Mounts {
  const lower: string[] = [`${ctx.config.dataRoot}/snapshots/init/fs`];
  for (let name = snapshot; name !== undefined; name = ctx.snapshots.stat(name)?.parent) lower.push(ctx.snapshots.tree(name));
  const own = `${ctx.config.dataRoot}/snapshots/${id.slice(0, 12)}`;
  return { type: "overlay", lower, upper: `${own}/fs`, work: `${own}/work` };
}

