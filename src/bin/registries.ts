/** The registries, loaded when the first request wants one: no start has to wait for the registry client. */
import type { Registries, RegistryParts } from "#engine/registries/registries.ts";
import type { TransferOptions } from "#transfer/transfer.ts";

export type LaterParts = Omit<RegistryParts, "transfer"> & Pick<TransferOptions, "limits">;

export function openRegistriesLater(parts: LaterParts): Registries & AsyncDisposable {
  const opened = new AsyncDisposableStack();
  let loading: Promise<Registries> | undefined;
  const load = async (): Promise<Registries> => {
    const [{ openTransfer }, { openRegistries }] = await Promise.all([import("#transfer/transfer.ts"), import("#engine/registries/registries.ts")]);
    const { core, settings, log, limits } = parts;
    const transfer = opened.use(openTransfer({ settings, content: core.content, log, ...(limits && { limits }) }));
    return openRegistries({ ...parts, transfer });
  };
  const registries = (): Promise<Registries> => (loading ??= load());
  return {
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
