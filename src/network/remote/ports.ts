/** Ports that a container exposes and publishes, as a plugin is told of them: publishing them is its matter. Pure. */
import type { JoinRequest } from "../network.ts";
import { parsePorts, parseSpec } from "../ports/ports.ts";
import type { RemoteEndpoint } from "./remote.ts";

export function exposedPorts(request: JoinRequest | undefined): RemoteEndpoint["exposed"] {
  if (request === undefined) return [];
  const specs = Object.keys({ ...request.exposed, ...request.bindings }).flatMap(parseSpec);
  return [...new Map(specs.map((port) => [`${port.port}/${port.protocol}`, port])).values()];
}

/** Host port 0: the plugin chooses. */
export function portBindings(request: JoinRequest | undefined): RemoteEndpoint["bindings"] {
  if (request === undefined) return [];
  return parsePorts(request).map(({ protocol, port, hostIp, hostPorts }) => ({ protocol, port, hostIp, hostPort: hostPorts?.first ?? 0 }));
}
