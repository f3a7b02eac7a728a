/** What the trust policy says of a reference, as a pull of it would find. */
import { parseReference, withDefaultTag } from "#spec/reference.ts";
import type { Transfer } from "#transfer/transfer.ts";
import type { Explanation, Trust } from "#transfer/trust/trust.ts";
import { pullRefusal } from "./refusals.ts";
import type { Access } from "./registries.ts";

export async function explainTrust(transfer: Transfer, trust: Trust, name: string, { auth, signal }: Access): Promise<Explanation> {
  const reference = withDefaultTag(parseReference(name));
  const byName = await trust.explain(reference, undefined, undefined, signal);
  if (byName.action !== "verify") return byName;
  const remote = transfer.open({ registry: reference.domain, path: reference.path }, { credentials: auth });
  const { descriptor } = await remote.resolve(reference.digest ?? reference.tag!, signal).catch((error: unknown) => {
    throw pullRefusal(reference, error);
  });
  return await trust.explain(reference, descriptor, remote, signal);
}
