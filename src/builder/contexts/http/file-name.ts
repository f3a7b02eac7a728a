/** What a download is called: as asked, as the server says, as the URL ends. Never with a folder in it (BLD-09). */
const FALLBACK = "download";

export function fileNameOf(url: URL, asked: string, disposition: string | undefined): string {
  return plain(asked) ?? plain(nameIn(disposition ?? "")) ?? plain(decoded(url.pathname.slice(url.pathname.lastIndexOf("/") + 1))) ?? FALLBACK;
}

/** attachment; filename="a b.txt" */
function nameIn(disposition: string): string {
  const [, quoted, word] = /;\s*filename=(?:"((?:[^"\\]|\\.){0,1024})"|([^\s;"]{1,1024}))/i.exec(disposition) ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? word ?? "";
}

function plain(name: string): string | undefined {
  const last = name.slice(name.lastIndexOf("/") + 1);
  const usable = last !== "" && last !== "." && last !== ".." && last.isWellFormed() && !last.includes("\0") && Buffer.byteLength(last) <= 255;
  return usable ? last : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
