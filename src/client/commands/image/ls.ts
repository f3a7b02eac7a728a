import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import { bool, filter, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { type ImageSummary, imageRows, imagesView } from "../../format/images.ts";
import type { TreeImage } from "../../format/image-tree.ts";
import { printRows } from "../../format/rows.ts";
import { encodeFilters } from "../each.ts";

export const command = define({
  flags: {
    all: bool("a", "Show intermediate images too"),
    digests: bool("", "Show digests"),
    filter: filter("f", "Show only what fits a condition, such as dangling=true or label=a=b"),
    format: text("", FORMAT.table),
    "no-trunc": bool("", "Don't shorten what is shown"),
    quiet: bool("q", "Show ids only"),
    tree: bool("", "Show the platforms of each image too"),
  },
  async run(cli, options, [reference]) {
    const filters = reference === undefined ? options.filter : { ...options.filter, reference: [...(options.filter["reference"] ?? []), reference] };
    if (options.tree) return await showTree(cli, options, filters);
    const format = options.format || (options.quiet ? "" : cli.config().format("imagesFormat"));
    const api = await cli.api();
    const images = await api.json<ImageSummary[]>("GET", "/images/json", {
      query: { all: options.all, filters: encodeFilters(filters) },
    });
    const digests = options.digests || /\.Digest\b/.test(format);
    const view = imagesView({ full: options["no-trunc"], digests: options.digests });
    await printRows(cli.out, view, imageRows(images, digests), { format, quiet: options.quiet });
  },
});

type TreeOptions = { readonly all: boolean; readonly quiet: boolean; readonly "no-trunc": boolean; readonly digests: boolean; readonly format: string };

async function showTree(cli: Cli, options: TreeOptions, filters: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const odd = options.quiet ? "quiet" : options["no-trunc"] ? "no-trunc" : options.digests ? "show-digest" : options.format !== "" ? "format" : undefined;
  if (odd !== undefined) throw fail("invalid", `--${odd} is not yet supported with --tree`);
  const api = await cli.api();
  const [{ printTree }, images] = await Promise.all([
    import("../../format/image-tree.ts"),
    api.json<TreeImage[]>("GET", "/images/json", { query: { all: options.all, filters: encodeFilters(filters), manifests: true } }),
  ]);
  printTree(cli.out, images, { all: options.all || "dangling" in filters });
}
