import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { after } from "node:test";
import { openFolderStorage } from "./folder.ts";
import { storageSuite } from "./storage-suite.ts";
import type { Storage } from "./storage.ts";

const folder = mkdtempSync(join(tmpdir(), "registry-storage-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const roots = new Map<Storage, string>();

storageSuite(
  "folder",
  async () => {
    const root = join(folder, String(count++));
    const storage = await openFolderStorage(root);
    roots.set(storage, root);
    return storage;
  },
  async (first) => await openFolderStorage(roots.get(first)!),
);
