/**
 * The body of POST /networks/create becomes a NetworkCreateRequest: Docker's defaults filled in, and what can be said
 * without knowing other networks is checked, with Docker's texts. Pure.
 */
import { fail } from "#base/errors.ts";
import type { Json } from "#base/json.ts";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import { boolean, list, nullable, record, string, struct } from "../decode.ts";
import { NOT_A_MANAGER } from "../volumes/routes.ts";
import { checkIpam } from "./check-ipam.ts";

const decode = struct({
  Name: string,
  Driver: string,
  Scope: string,
  EnableIPv4: nullable(boolean),
  EnableIPv6: nullable(boolean),
  IPAM: nullable(
    struct({
      Driver: string,
      Options: record(string),
      Config: list(struct({ Subnet: string, IPRange: string, Gateway: string, AuxiliaryAddresses: record(string) })),
    }),
  ),
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigOnly: boolean,
  ConfigFrom: nullable(struct({ Network: string })),
  Options: record(string),
  Labels: record(string),
});

export type NetworkCreateBody = ReturnType<typeof decode>;

/** CheckDuplicate, of before 1.44, is not read: no two networks have one name, whatever it says. */
export function parseNetworkCreate(json: Json, version: number): NetworkCreateRequest {
  const body = decode(json, "NetworkCreateRequest");
  if (version < 48) body.EnableIPv4 = null;
  checkSwarm(body);
  const options = { ...body.Options };
  const ipv4 = enabled("com.docker.network.enable_ipv4", body.EnableIPv4, options, true);
  const ipv6 = enabled("com.docker.network.enable_ipv6", body.EnableIPv6, options, false);
  const config = (body.IPAM?.Config ?? []).map(configOf);
  checkIpam(config, ipv6);
  return {
    Name: body.Name,
    Driver: body.Driver,
    EnableIPv4: ipv4,
    EnableIPv6: ipv6,
    Internal: body.Internal,
    Attachable: body.Attachable,
    Ingress: body.Ingress,
    ConfigOnly: body.ConfigOnly,
    ConfigFrom: body.ConfigFrom?.Network ?? "",
    IPAM: { Driver: body.IPAM?.Driver ?? "", ...(body.IPAM?.Options ? { Options: { ...body.IPAM.Options } } : {}), Config: config },
    Options: options,
    Labels: { ...body.Labels },
  };
}

/** There is no swarm: nothing is of its scope. */
function checkSwarm(body: NetworkCreateBody): void {
  if (body.ConfigOnly && (body.Ingress || body.Internal || body.Attachable || body.Scope !== "")) {
    throw fail("forbidden", "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.");
  }
  if (body.Driver === "overlay") throw fail("forbidden", NOT_A_MANAGER);
  if (body.Scope === "swarm") throw fail("forbidden", "cannot create a swarm scoped network when swarm is not active");
  if (!["", "local", "global"].includes(body.Scope)) throw fail("invalid", `invalid scope ${JSON.stringify(body.Scope)}: it is local or swarm`);
  if (body.Ingress) throw fail("forbidden", "Ingress network can only be global scope network");
}

/** A field, or else an option of the driver, by which defaults of daemon.json say it too. */
function enabled(option: string, given: boolean | null, options: Record<string, string>, unset: boolean): boolean {
  const text = options[option];
  if (given !== null) {
    delete options[option];
    return given;
  }
  if (text === undefined) return unset;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw fail("invalid", `driver-opt ${JSON.stringify(option)} is not a valid bool`);
}

type ConfigBody = NonNullable<NonNullable<NetworkCreateBody["IPAM"]>["Config"]>[number];

function configOf({ Subnet, IPRange, Gateway, AuxiliaryAddresses }: ConfigBody): NetworkCreateRequest["IPAM"]["Config"][number] {
  return {
    ...(Subnet === "" ? {} : { Subnet }),
    ...(IPRange === "" ? {} : { IPRange }),
    ...(Gateway === "" ? {} : { Gateway }),
    ...(AuxiliaryAddresses === null ? {} : { AuxiliaryAddresses: { ...AuxiliaryAddresses } }),
  };
}
