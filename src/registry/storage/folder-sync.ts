/**
 * Syncs folders, many callers at once: whoever asks while a sync runs waits for the next one, together with all others who
 * ask meanwhile (the running one may have begun before their rename).
 */
import { open } from "node:fs/promises";

export type FolderSync = (path: string) => Promise<void>;

export function openFolderSync(): FolderSync {
  const running = new Map<string, { now: Promise<void>; next: Promise<void> | undefined }>();
  const start = (path: string): Promise<void> => {
    const turn: { now: Promise<void>; next: Promise<void> | undefined } = { now: syncFolder(path), next: undefined };
    running.set(path, turn);
    const end = () => void (turn.next === undefined && running.get(path) === turn && running.delete(path));
    turn.now.then(end, end);
    return turn.now;
  };
  return (path) => {
    const turn = running.get(path);
    if (turn === undefined) return start(path);
    turn.next ??= turn.now.then(
      () => start(path),
      () => start(path),
    );
    return turn.next;
  };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
