/** Networks and endpoints as rows. All of both is read once, at the start; afterwards memory is asked, and rows are written. */
import type { Database } from "#base/sqlite.ts";
import type { Attachment, NetworkRecord } from "./network.ts";

export type NetworkStore = {
  networks(): NetworkRecord[];
  attachments(): Attachment[];
  putNetwork(network: NetworkRecord): Promise<void>;
  removeNetwork(id: string): Promise<void>;
  /** All or none. */
  putAttachments(attachments: readonly Attachment[]): Promise<void>;
  removeAttachments(endpointIds: readonly string[]): Promise<void>;
};

export function openNetworkStore(db: Database): NetworkStore {
  const query = db.prepare({
    networks: "SELECT record FROM networks ORDER BY name",
    endpoints: "SELECT record FROM endpoints",
    putNetwork: "INSERT INTO networks (id, name, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record",
    removeNetwork: "DELETE FROM networks WHERE id = ?",
    putEndpoint: "INSERT INTO endpoints (id, network, container, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    removeEndpoint: "DELETE FROM endpoints WHERE id = ?",
  });
  const parsed = <T>(rows: { record: string }[]) => rows.map(({ record }) => JSON.parse(record) as T);
  return {
    networks: () => parsed<NetworkRecord>(query.networks.all()),
    attachments: () => parsed<Attachment>(query.endpoints.all()),
    async putNetwork(network) {
      await db.write(() => query.putNetwork.run(network.id, network.name, JSON.stringify(network)));
    },
    async removeNetwork(id) {
      await db.write(() => void query.removeNetwork.run(id));
    },
    async putAttachments(attachments) {
      await db.write(() => {
        for (const one of attachments) query.putEndpoint.run(one.endpointId, one.networkId, one.container, JSON.stringify(one));
      });
    },
    async removeAttachments(endpointIds) {
      if (endpointIds.length === 0) return;
      await db.write(() => endpointIds.forEach((id) => query.removeEndpoint.run(id)));
    },
  };
}
