/** What must be true of running containers and their networks, by the engine's word, the kernel's and the resolvers'. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

export type Seen = {
  readonly name: string;
  readonly id: string;
  readonly pid: number;
  /** By network. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
};

type Members = ReadonlyMap<string, { readonly Containers: Readonly<Record<string, { readonly Name: string; readonly IPv4Address: string }>> }>;

export function wrongState(seen: readonly Seen[], members: Members): string[] {
  return [...twice(seen), ...seen.flatMap(notInKernel), ...otherMembers(seen, members)];
}

/** Addresses in a network and host ports belong to one container each. */
function twice(seen: readonly Seen[]): string[] {
  const owners = new Map<string, string[]>();
  for (const { name, addresses, ports } of seen) {
    const held = [...Object.values(addresses).map((address) => `address ${address}`), ...ports.map((port) => `port ${port}`)];
    for (const what of held) owners.set(what, [...(owners.get(what) ?? []), name]);
  }
  return [...owners].filter(([, names]) => names.length > 1).map(([what, names]) => `${what} belongs to ${names.join(" and ")}`);
}

/** The addresses inside are those that the engine names. */
function notInKernel({ name, pid, addresses }: Seen): string[] {
  const has = localAddresses(pid);
  if (has === undefined) return [`${name} runs, but process ${pid} is gone`];
  const said = Object.values(addresses).sort().join(" ");
  return has.join(" ") === said ? [] : [`${name} has ${has.join(" ") || "no address"}, and the engine says ${said || "none"}`];
}

/** Of the namespace of a process, without the loopback's; undefined when the process is gone. */
function localAddresses(pid: number): string[] | undefined {
  try {
    const trie = readFileSync(`/proc/${pid}/net/fib_trie`, "utf8");
    const found = [...trie.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)].map(([, address]) => address as string);
    return [...new Set(found)].filter((address) => !address.startsWith("127.")).sort();
  } catch {
    return undefined;
  }
}

/** A network's members are those who run in it: none is missing, none is of somebody gone. */
function otherMembers(seen: readonly Seen[], members: Members): string[] {
  return [...members].flatMap(([network, inspected]) => {
    const listed = Object.values(inspected?.Containers ?? {}).map(({ Name, IPv4Address }) => `${Name} ${IPv4Address.split("/")[0]}`).sort();
    const running = seen.filter(({ addresses }) => network in addresses).map(({ name, addresses }) => `${name} ${addresses[network]}`).sort();
    const odd = [...listed.filter((entry) => !running.includes(entry)).map((entry) => `lists ${entry}`), ...running.filter((entry) => !listed.includes(entry)).map((entry) => `lacks ${entry}`)];
    return odd.map((what) => `network ${network} ${what}`);
  });
}

export type NameOptions = {
  /** A name of somebody who is not there must not resolve. */
  readonly strangers: boolean;
  /** Everybody who could be asked for. */
  readonly known: ReadonlySet<string>;
  /** Who asks: six of them. Absent: of all. */
  readonly askers?: readonly Seen[];
};

/**
 * A few of those given ask for everybody, by name and by alias: in the namespace of the container, by a program of the
 * host, so that neither its image nor the engine is needed.
 */
export async function wrongNames(seen: readonly Seen[], { strangers, known, askers: from = seen }: NameOptions): Promise<{ wrong: string[]; asked: number }> {
  const askers = from.filter((_, at) => at % Math.max(1, Math.floor(from.length / 6)) === 0).slice(0, 6);
  let asked = 0;
  const all = await Promise.all(
    askers.map(async (asker) => {
      const answers = await resolveAll(asker.pid, [...known].flatMap((name) => [name, `also-${name}`]));
      if (answers === undefined) return [];
      asked += answers.size;
      return [...answers].flatMap(([question, addresses]) => {
        const name = question.replace("also-", "");
        const owner = seen.find((other) => other.name === name);
        const right = Object.entries(owner?.addresses ?? {}).filter(([network]) => network in asker.addresses).map(([, address]) => address);
        const strange = addresses.filter((address) => !right.includes(address));
        if (strange.length > 0 && (strangers || owner !== undefined)) return [`${asker.name} is told that ${question} has ${strange.join(" ")}, which has ${right.join(" ") || "nothing near it"}`];
        return right.length > 0 && addresses.length === 0 ? [`${asker.name} is told nothing of ${question}, which has ${right.join(" ")}`] : [];
      });
    }),
  );
  return { wrong: all.flat(), asked };
}

const execute = promisify(execFile);

/** Name → addresses, none when there was no answer; undefined when the process that was to ask is gone. */
async function resolveAll(pid: number, names: readonly string[]): Promise<Map<string, string[]> | undefined> {
  const said = await execute("nsenter", [`--net=/proc/${pid}/ns/net`, process.execPath, join(import.meta.dirname, "ask.ts"), ...names], { maxBuffer: 1 << 24 }).catch(() => undefined);
  if (said === undefined) return undefined;
  return new Map(Object.entries(JSON.parse(said.stdout) as Record<string, string[] | null>).map(([name, addresses]) => [name, addresses ?? []]));
}
