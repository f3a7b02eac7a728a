import { fail } from "#base/errors.ts";
import { splitCsv } from "#spec/csv.ts";

/** One `--network`: a name, or "name=NET,alias=A,ip=…". */
export type NetworkAttachment = {
  readonly target: string;
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: readonly string[];
  readonly mac: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly gatewayPriority: number;
};

export function parseNetwork(value: string): NetworkAttachment {
  const attachment = {
    target: "",
    aliases: [] as string[],
    links: [] as string[],
    ipv4: "",
    ipv6: "",
    linkLocal: [] as string[],
    mac: "",
    driverOptions: {} as Record<string, string>,
    gatewayPriority: 0,
  };
  if (!/\w+=\w+/.test(value)) return { ...attachment, target: value };
  for (const field of splitCsv(value)) {
    const equals = field.indexOf("=");
    if (equals <= 0) throw fail("invalid", `invalid field ${field}`);
    const key = field.slice(0, equals).trim().toLowerCase();
    const text = field.slice(equals + 1).trim();
    if (key === "name") attachment.target = text;
    else if (key === "alias") attachment.aliases.push(text);
    else if (key === "ip") attachment.ipv4 = text;
    else if (key === "ip6") attachment.ipv6 = text;
    else if (key === "mac-address") attachment.mac = checkMac(text);
    else if (key === "link-local-ip") attachment.linkLocal.push(text);
    else if (key === "driver-opt") {
      const [name = "", ...rest] = text.split("=");
      if (rest.length === 0) throw fail("invalid", `invalid key value pair format in driver options`);
      attachment.driverOptions[name.trim().toLowerCase()] = rest.join("=").trim();
    } else if (key === "gw-priority") {
      if (!/^-?\d+$/.test(text)) throw fail("invalid", `invalid gw-priority (${text}): strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
      attachment.gatewayPriority = Number(text);
    } else throw fail("invalid", `invalid field key ${key}`);
  }
  if (attachment.target === "") throw fail("invalid", "network name/id is not specified");
  return attachment;
}

export function checkMac(text: string): string {
  if (/^[\da-f]{2}([:-][\da-f]{2}){5}$/i.test(text) || /^[\da-f]{4}(\.[\da-f]{4}){2}$/i.test(text)) return text;
  throw fail("invalid", `${text} is not a valid mac address`);
}
