/** What a failed start says about the network: Docker's sentence, or that another try may do. Pure. */
import { fail, type Failure } from "#base/errors.ts";
import { ProgramError } from "#linux/linux.ts";
import { NETFILTER } from "#linux/nftables.ts";
import { ROUTE } from "#linux/rtnetlink.ts";
import { getSystemErrorMessage } from "node:util";
import { hostAndPort } from "./ports/host-ports.ts";
import { externalFailure } from "./join.ts";
import type { Attachment, PublishedPort } from "./network.ts";

export type Meaning =
  | { readonly kind: "failure"; readonly failure: Failure }
  /** A process of the host has a port that the engine chose. */
  | { readonly kind: "taken" }
  /** The bridge or the table is not there, or has what it should not; or namespaces begin with other interfaces. */
  | { readonly kind: "missing" }
  /** A MAC on an interface of the host is still that of a container whose namespace is going. */
  | { readonly kind: "busy" };

const EADDRINUSE = "EADDRINUSE";

export function explainFailure(error: unknown, attachment: Attachment): Meaning | undefined {
  const bind = bindFailure(error);
  if (bind !== undefined) {
    const port = attachment.ports.find(({ hostPort, hostIp }) => hostPort === bind.port && hostIp === bind.address);
    if (port === undefined) return undefined;
    return port.chosen && bind.code === EADDRINUSE ? { kind: "taken" } : { kind: "failure", failure: bindMeaning(port, bind, attachment) };
  }
  if (!(error instanceof ProgramError) || error.op?.op !== "netlink") return undefined;
  const { proto } = error.op;
  if (proto === ROUTE && error.code === EADDRINUSE) return { kind: "busy" };
  if (proto === ROUTE && ["ENODEV", "EINVAL", "ENETUNREACH", "EADDRNOTAVAIL"].includes(error.code)) return { kind: "missing" };
  if (proto === NETFILTER && ["ENOENT", "EEXIST", "ENOTEMPTY"].includes(error.code)) return { kind: "missing" };
  return undefined;
}

type Bind = { readonly address: string; readonly port: number; readonly code: string; readonly text: string };

/** A failed bindPort, or a proxy that could not listen. */
function bindFailure(error: unknown): Bind | undefined {
  if (error instanceof ProgramError) {
    if (error.op?.op !== "bindPort") return undefined;
    return { address: String(error.op.address), port: Number(error.op.port), code: error.code, text: getSystemErrorMessage(-error.errno) };
  }
  const system = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (!(error instanceof Error) || (system.syscall !== "listen" && system.syscall !== "bind")) return undefined;
  if (system.address === undefined || system.port === undefined || system.errno === undefined) return undefined;
  return { address: system.address, port: system.port, code: system.code ?? "", text: getSystemErrorMessage(system.errno) };
}

function bindMeaning({ hostIp, hostPort, protocol }: PublishedPort, { text }: Bind, attachment: Attachment): Failure {
  const cause = fail("internal", `failed to bind host port ${hostAndPort(hostIp, hostPort)}/${protocol}: ${text}`);
  return externalFailure(cause, attachment);
}
