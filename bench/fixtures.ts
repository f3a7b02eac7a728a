/** What is worked on: the same bytes for every contestant, made from a fixed seed. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { busyboxArchive, imageArchive } from "../test/fixtures/image.ts";
import { tar, type Entry } from "../test/fixtures/tar.ts";

export type Fixtures = { readonly busybox: string; readonly large: string; readonly nginx: string | undefined; readonly rootfs: string };

export function makeFixtures(folder: string): Fixtures {
  const busybox = join(folder, "busybox.tar");
  writeFileSync(busybox, busyboxArchive(["busybox:latest"]));
  const rootfs = join(folder, "rootfs");
  mkdirSync(join(rootfs, "bin"), { recursive: true });
  for (const name of ["proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name));
  cpSync("/bin/busybox", join(rootfs, "bin/true"), { dereference: true });
  const large = join(folder, "large.tar");
  writeFileSync(large, dockerArchiveGzip("large:1", largeLayer()));
  return { busybox, large, nginx: nginxImage(join(folder, "nginx.tar")), rootfs };
}

/** One layer of 164 MB and 8,700 files: half of it compresses well, half hardly, as programs and libraries do. */
function largeLayer(): Buffer {
  return tar([...Array.from({ length: 200 }, (_, folder): Entry => ({ path: `d${folder}/` })), ...largeFiles()]);
}

/** The same files in so many layers. */
export function largeLayers(count: number): Buffer[] {
  const files = largeFiles();
  return Array.from({ length: count }, (_, layer) => {
    const own = files.filter((_, at) => at % count === layer);
    const folders = [...new Set(own.map(({ path }) => `${path.split("/")[0]}/`))];
    return tar([...folders.map((path): Entry => ({ path })), ...own]);
  });
}

function largeFiles(): Entry[] {
  const files = 8700;
  const entries: Entry[] = [];
  let seed = Buffer.alloc(32);
  for (let at = 0; at < files; at++) {
    seed = createHash("sha256").update(seed).digest();
    // Most files are small, a few are large: 164 MB together.
    const size = at % 100 === 0 ? 1_000_000 : 2_000 + (seed.readUInt16LE(0) % 14_000);
    entries.push({ path: `d${at % 200}/f${at}`, mode: at % 7 === 0 ? 0o755 : 0o644, data: content(seed, size) });
  }
  return entries;
}

function content(seed: Buffer, size: number): Buffer {
  const noise = Buffer.alloc(Math.ceil(size / 2));
  for (let at = 0, block = seed; at < noise.length; at += 32) {
    block = createHash("sha256").update(block).digest();
    block.copy(noise, at);
  }
  return Buffer.concat([noise, Buffer.alloc(size - noise.length, `word ${seed.readUInt16LE(2)} and another line of text\n`)]);
}

/** A `docker save` archive whose layer is compressed, as registries hold them: every peer reads it. */
function dockerArchiveGzip(name: string, layer: Buffer): Buffer {
  const diffId = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const config = JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["true"] }, rootfs: { type: "layers", diff_ids: [diffId] }, history: [{ created_by: "large" }] });
  return tar([
    { path: "config.json", data: config },
    { path: "layer.tar.gz", data: gzipSync(layer) },
    { path: "manifest.json", data: JSON.stringify([{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar.gz"] }]) },
  ]);
}

/** The host's nginx with the libraries it needs; undefined when there is none. */
function nginxImage(path: string): string | undefined {
  const program = ["/usr/sbin/nginx", "/usr/bin/nginx"].find((candidate) => existsSync(candidate));
  if (program === undefined) return undefined;
  const libraries = execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
  const folders = new Set<string>();
  const files = [program, ...libraries].map((file): Entry => {
    for (let folder = dirname(file); folder !== "/"; folder = dirname(folder)) folders.add(folder);
    return { path: file.slice(1), mode: 0o755, data: readFileSync(realpathSync(file)) };
  });
  const conf = "daemon off; worker_processes 2; error_log stderr; pid /tmp/nginx.pid; events { worker_connections 1024; }\n" +
    "http { access_log off; server { listen 80; location / { return 200 'hello from nginx\\n'; } } }\n";
  const layer = tar([
    ...[...folders].sort().map((folder): Entry => ({ path: `${folder.slice(1)}/` })),
    ...files,
    ...["etc/", "tmp/", "var/", "var/log/", "var/log/nginx/", "var/lib/", "var/lib/nginx/"].map((folder): Entry => ({ path: folder, mode: 0o777 })),
    { path: "etc/passwd", data: "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" },
    { path: "etc/group", data: "root:x:0:\nnogroup:x:65534:\n" },
    { path: "nginx.conf", data: `user nobody nogroup; ${conf}` },
  ]);
  writeFileSync(path, imageArchive(["nginx:bench"], [layer], { Cmd: [program, "-c", "/nginx.conf"] }));
  return path;
}
