/** Published ports in few words: "0.0.0.0:80-81->80-81/tcp, 90/udp". */
export type Port = { readonly IP?: string; readonly PrivatePort: number; readonly PublicPort?: number; readonly Type: string };

/** Neighbouring ports published under their own numbers are one range; the others follow one by one. */
export function compactPorts(ports: readonly Port[]): string {
  const ranges = new Map<string, Range>();
  const closed: string[] = [];
  const moved: string[] = [];
  for (const port of [...ports].sort(comparePorts)) {
    const address = port.IP ?? "";
    if (address !== "" && port.PublicPort !== port.PrivatePort) {
      moved.push(`${joinHostPort(address, String(port.PublicPort))}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${address}/${port.Type}`;
    const range = ranges.get(key);
    if (range !== undefined && port.PrivatePort === range.last + 1) {
      range.last = port.PrivatePort;
      continue;
    }
    if (range !== undefined) closed.push(showRange(range));
    const next = { address, type: port.Type, first: port.PrivatePort, last: port.PrivatePort };
    if (range === undefined) ranges.set(key, next);
    else Object.assign(range, next);
  }
  return [...closed, ...[...ranges.values()].map(showRange), ...moved].join(", ");
}

type Range = { address: string; type: string; first: number; last: number };

function showRange(range: Range): string {
  const span = range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
  return `${range.address === "" ? span : `${joinHostPort(range.address, span)}->${span}`}/${range.type}`;
}

export function joinHostPort(address: string, port: string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function comparePorts(a: Port, b: Port): number {
  return (
    a.PrivatePort - b.PrivatePort ||
    compareText(a.IP ?? "", b.IP ?? "") ||
    (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
    compareText(a.Type, b.Type)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
