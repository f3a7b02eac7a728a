import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { joinHostPort } from "../../format/ports.ts";
import { containerPath } from "../each.ts";

type Binding = { readonly HostIp: string; readonly HostPort: string };

const RUNS = /\d+|\D+/g;

export const command = define({
  flags: {},
  async run(cli, _options, [name = "", wanted]) {
    const api = await cli.api();
    const container = await api.json<{ NetworkSettings: { Ports: Record<string, Binding[] | null> | null } }>(
      "GET",
      containerPath(name, "/json"),
    );
    const ports = container.NetworkSettings.Ports ?? {};
    const lines: string[] = [];
    if (wanted !== undefined) {
      const key = parsePort(wanted);
      const bindings = ports[key];
      if (!Object.hasOwn(ports, key) || bindings === null) {
        throw fail("not-found", `Error: No public port '${wanted}' published for ${name}`);
      }
      for (const each of bindings ?? []) lines.push(joinHostPort(each.HostIp, each.HostPort));
    } else {
      for (const [port, bindings] of Object.entries(ports)) {
        for (const each of bindings ?? []) lines.push(`${port} -> ${joinHostPort(each.HostIp, each.HostPort)}`);
      }
    }
    if (lines.length > 0) cli.out.write(`${lines.sort(naturally).join("\n")}\n`);
  },
});

function parsePort(text: string): string {
  const [port = "", protocol = "tcp"] = text.split("/");
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw fail("invalid", `Error: invalid port (${port}): strconv.ParseUint: parsing ${JSON.stringify(port)}: invalid syntax`);
  }
  return `${Number(port)}/${protocol}`;
}

/** Numbers by their value, all else byte by byte: "0.0.0.0" comes before "[::]". */
function naturally(a: string, b: string): number {
  const [left, right] = [a.match(RUNS) ?? [], b.match(RUNS) ?? []];
  const at = left.findIndex((run, i) => run !== right[i]);
  if (at < 0) return left.length - right.length;
  const [x, y = ""] = [left[at]!, right[at]];
  const byValue = Number(x) - Number(y);
  if (y !== "" && byValue !== 0 && !Number.isNaN(byValue)) return byValue;
  return x < y ? -1 : 1;
}
