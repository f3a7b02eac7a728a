/** Layers that are unpacked while they come in. See layers.ts. */
import { type Channel, openChannel } from "#base/channel.ts";
import type { Digest } from "#spec/digest.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import type { Ahead, AheadLayer } from "./layers.ts";
import { type Place, unpackBytes, type Unpacked } from "./unpack-layer.ts";

/** Waiting bytes of one layer, and layers that one archive may have unpacked that nobody took over yet. */
const WAITING = 2 * 2 ** 20;
const MOST = 150;

/** What was unpacked ahead, by the blob's digest. */
export type AheadLayers = {
  open(): Ahead;
  /** Hands over the layer of that blob, if it was unpacked ahead, without a failure, and is what it should be. */
  take(digest: Digest, diffId: Digest): Promise<Unpacked | undefined>;
};

type Begun = { readonly done: Promise<Unpacked | undefined>; taken: boolean };

export function openAheadLayers(place: Place, snapshots: Snapshots): AheadLayers {
  const finished = new Map<Digest, Begun>();
  const drop = async ({ done }: Begun) => {
    const unpacked = await done;
    if (unpacked !== undefined) await snapshots.discard(unpacked.draft);
  };

  return {
    async take(digest, diffId) {
      const begun = finished.get(digest);
      if (begun === undefined) return undefined;
      finished.delete(digest);
      begun.taken = true;
      const unpacked = await begun.done;
      if (unpacked?.diffId === diffId) return unpacked;
      await drop(begun);
      return undefined;
    },
    open() {
      const mine: Begun[] = [];
      return {
        begin() {
          if (snapshots.whiteouts !== "marks" || mine.length >= MOST) return undefined;
          const channel = openChannel(WAITING);
          const begun = { done: unpackQuietly(place, snapshots, channel), taken: false };
          mine.push(begun);
          return aheadLayer(channel, async (digest) => {
            if (!finished.has(digest)) finished.set(digest, begun);
            return (await begun.done)?.diffId;
          });
        },
        async [Symbol.asyncDispose]() {
          const left = mine.filter(({ taken }) => !taken);
          for (const [digest, begun] of finished) if (left.includes(begun)) finished.delete(digest);
          await Promise.all(left.map(drop));
        },
      };
    },
  };
}

function aheadLayer(channel: Channel, finish: (digest: Digest) => Promise<Digest | undefined>): AheadLayer {
  return {
    write(chunk) {
      const own = Buffer.allocUnsafeSlow(chunk.length);
      own.set(chunk);
      return channel.push(own);
    },
    end(digest) {
      channel.end();
      return finish(digest);
    },
    abort: () => channel.end(new Error("given up")),
  };
}

/** Undefined when it failed; its draft is gone then. */
async function unpackQuietly(place: Place, snapshots: Snapshots, channel: Channel): Promise<Unpacked | undefined> {
  try {
    return await unpackDraft(place, snapshots, channel);
  } catch {
    return undefined;
  } finally {
    // Whoever writes must not wait for a reader that is gone.
    channel.close();
  }
}

async function unpackDraft(place: Place, snapshots: Snapshots, { chunks }: Channel): Promise<Unpacked> {
  const draft = await snapshots.draft(undefined);
  try {
    return await unpackBytes(place, chunks, draft, { what: "a layer ahead", signal: undefined });
  } catch (error) {
    await snapshots.discard(draft);
    throw error;
  }
}
