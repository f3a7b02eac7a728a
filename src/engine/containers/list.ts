/** Which containers a listing shows: Docker's filters. */
import { fail } from "#base/errors.ts";
import type { ContainerRecord, Filters, ListOptions } from "../engine.ts";
import { booleanFilter, matchesLabels, matchesPattern } from "../filters.ts";
import { isUp, type Context } from "./context.ts";

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTHS = ["starting", "healthy", "unhealthy", "none"];

export function list(ctx: Context, { all, limit, filters }: ListOptions): ContainerRecord[] {
  const test = compileFilters(ctx, filters);
  const everyone = all || limit !== undefined || ["status", "exited"].some((key) => (filters.get(key) ?? []).length > 0);
  const newest = ctx.store.all().reverse();
  const bounds = boundsOf(ctx, filters, newest);
  const shown = newest.slice(bounds.from, bounds.to).filter((record) => (everyone || isUp(record)) && test(record));
  return limit === undefined || limit <= 0 ? shown : shown.slice(0, limit);
}

/** "before": made before that one; "since": after. Positions in a list that has the newest first. */
function boundsOf(ctx: Context, filters: Filters, newest: readonly ContainerRecord[]): { from: number; to: number } {
  const position = (key: string) => (filters.get(key) ?? []).map((ref) => newest.indexOf(ctx.store.find(ref))).at(-1);
  const before = position("before");
  const since = position("since");
  return { from: before === undefined ? 0 : before + 1, to: since ?? newest.length };
}

function compileFilters(ctx: Context, filters: Filters): (record: ContainerRecord) => boolean {
  const values = (key: string) => filters.get(key) ?? [];
  for (const status of values("status")) if (!STATUSES.includes(status)) throw fail("invalid", `invalid filter 'status=${status}'`);
  for (const health of values("health")) if (!HEALTHS.includes(health)) throw fail("invalid", `invalid filter 'health=${health}'`);
  const codes = values("exited").map((text) => {
    if (!/^-?\d+$/.test(text)) throw fail("invalid", `invalid filter 'exited=${text}'`);
    return Number(text);
  });
  const task = booleanFilter(filters, "is-task");
  const ports = { expose: values("expose").map(portTest), publish: values("publish").map(portTest) };
  const ancestors = values("ancestor").map((ref) => ({ ref, id: ctx.images.find(ref) }));
  const any = <T>(list: readonly T[], holds: (value: T) => boolean) => list.length === 0 || list.some(holds);
  return (record) =>
    any(values("status"), (status) => record.state.status === status) &&
    any(codes, (code) => !isUp(record) && record.state.status !== "created" && record.state.exitCode === code) &&
    any(values("id"), (id) => matchesPattern(id, [record.id]) || record.id.startsWith(id)) &&
    any(values("name"), (name) => matchesPattern(name, [record.name, `/${record.name}`])) &&
    any(values("health"), (health) => health === (record.state.health?.status ?? "none")) &&
    any(values("isolation"), (isolation) => isolation === "" || isolation === "default") &&
    any(ancestors, ({ ref, id }) => record.imageId === (id ?? "") || record.image === ref) &&
    any(values("network"), (network) => Object.entries(record.endpoints).some(([name, { networkId }]) => name === network || (network !== "" && networkId.startsWith(network)))) &&
    any(values("volume"), (volume) => record.mounts.some(({ Name, Source, Destination }) => [Name, Source, Destination].includes(volume))) &&
    any(ports.publish, (test) => Object.keys(record.hostConfig.PortBindings).concat(Object.keys(record.ports)).some(test)) &&
    any(ports.expose, (test) => Object.keys(record.config.ExposedPorts).some(test)) &&
    task !== true &&
    matchesLabels(filters, record.config.Labels);
}

/** "80", "80/tcp", "8000-8010/udp" against "8003/udp". */
function portTest(text: string): (port: string) => boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) throw fail("invalid", `invalid port filter: ${text}`);
  const [first, last, protocol] = [Number(match[1]), Number(match[2] ?? match[1]), match[3] ?? "tcp"];
  return (port) => {
    const [number, kind] = port.split("/");
    return kind === protocol && Number(number) >= first && Number(number) <= last;
  };
}
