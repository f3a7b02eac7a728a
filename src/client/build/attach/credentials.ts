/** Credentials of registries: only those of the host that is asked for, from where `gantry login` has put them. */
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { credentialsRequest, credentialsResponse } from "#spec/buildkit/session.ts";
import type { Cli } from "../../client.ts";
import { openStore, serverOf } from "../../credentials/credentials.ts";
import { type Method, unary } from "../rpc/serve.ts";

export function serveCredentials(cli: Cli): Method {
  return unary(async (request) => {
    const { host } = credentialsRequest.decode(request);
    // Docker Hub's registry is asked by its own name.
    const server = serverOf(host === "registry-1.docker.io" ? "docker.io" : host);
    const found = await openStore(cli, server).get(server);
    if (found === undefined) return frame(credentialsResponse.encode({}, HEADROOM));
    const { username, password, identitytoken } = found;
    return frame(credentialsResponse.encode(identitytoken ? { secret: identitytoken } : { username, secret: password }, HEADROOM));
  });
}
