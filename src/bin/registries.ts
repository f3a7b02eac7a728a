/** The registries, loaded when the first request wants one: no start has to wait for the registry client. */
import type { Registries, RegistryParts } from "#engine/registries/registries.ts";
import type { Transfer, TransferOptions } from "#transfer/transfer.ts";

export type LaterParts = Omit<RegistryParts, "transfer"> & Pick<TransferOptions, "limits">;

/** `transfer`: the client itself, for who has other things to do with registries. */
export type LaterRegistries = Registries & AsyncDisposable & { transfer(): Promise<Transfer> };

export function openRegistriesLater(parts: LaterParts): LaterRegistries {
  const opened = new AsyncDisposableStack();
  let loading: Promise<{ readonly registries: Registries; readonly transfer: Transfer }> | undefined;
  const load = async () => {
    const [{ openTransfer }, { openRegistries }] = await Promise.all([import("#transfer/transfer.ts"), import("#engine/registries/registries.ts")]);
    const { core, settings, log, limits } = parts;
    const transfer = opened.use(openTransfer({ settings, content: core.content, log, ...(limits && { limits }) }));
    return { registries: openRegistries({ ...parts, transfer }), transfer };
  };
  const registries = async (): Promise<Registries> => (await (loading ??= load())).registries;
  return {
    transfer: async () => (await (loading ??= load())).transfer,
    async *pull(name, options) {
      yield* (await registries()).pull(name, options);
    },
    async *push(name, options) {
      yield* (await registries()).push(name, options);
    },
    async *copy(source, target, options) {
      yield* (await registries()).copy(source, target, options);
    },
    login: async (server, credentials, signal) => (await registries()).login(server, credentials, signal),
    inspect: async (name, access) => (await registries()).inspect(name, access),
    explainTrust: async (name, access) => (await registries()).explainTrust(name, access),
    manifest: async (name, options) => (await registries()).manifest(name, options),
    pushIndex: async (name, index, access) => (await registries()).pushIndex(name, index, access),
    search: async (term, options) => (await registries()).search(term, options),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
