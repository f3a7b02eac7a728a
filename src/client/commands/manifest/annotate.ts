import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { list, text } from "../../flags/kinds.ts";
import { orderedPlatform } from "./remote.ts";
import { openState, readName } from "./state.ts";

export const command = define({
  flags: {
    arch: text("", "The architecture it is for"),
    os: text("", "The operating system it is for"),
    "os-features": list("", "Features of the operating system that it needs", { kind: "strings" }),
    "os-version": text("", "The version of the operating system it is for"),
    variant: text("", "The variant of the architecture it is for"),
  },
  async run(cli, options, [target = "", image = ""]) {
    const [name, manifest] = [readName(target), readName(image)];
    const state = openState(cli);
    const known = state.get(name, manifest);
    if (known === undefined) throw fail("not-found", `manifest for image ${image} does not exist in ${target}`);
    const { platform = { architecture: "", os: "" } } = known.Descriptor;
    const features = [...new Set([...(platform["os.features"] ?? []), ...options["os-features"].flatMap((each) => each.split(","))])];
    const wanted = orderedPlatform({
      architecture: options.arch || platform.architecture,
      os: options.os || platform.os,
      "os.version": options["os-version"] || (platform["os.version"] ?? ""),
      "os.features": features,
      variant: options.variant || (platform.variant ?? ""),
    });
    if (!SYSTEMS[wanted.os]?.split(" ").includes(wanted.architecture)) {
      throw fail("invalid", `manifest entry for image has unsupported os/arch combination: ${options.os}/${options.arch}`);
    }
    state.put(name, manifest, { ...known, Descriptor: { ...known.Descriptor, platform: wanted } });
  },
});

/** What there is, by operating system: Go's ports. */
const SYSTEMS: Readonly<Record<string, string>> = {
  aix: "ppc64",
  android: "386 amd64 arm arm64",
  darwin: "386 amd64 arm arm64",
  dragonfly: "amd64",
  freebsd: "386 amd64 arm arm64",
  illumos: "amd64",
  ios: "arm64",
  js: "wasm",
  linux: "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x",
  netbsd: "386 amd64 arm",
  openbsd: "386 amd64 arm",
  plan9: "386 amd64",
  solaris: "amd64",
  wasip1: "wasm",
  windows: "386 amd64 arm arm64",
};
