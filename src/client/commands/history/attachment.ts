import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { attachmentsOf, findAttachment, readAttachment } from "./attachments.ts";
import { findBuild, withControl } from "./builds.ts";

export const command = define({
  flags: {
    platform: text("", "Only what belongs to this platform"),
    type: text("", 'Only of this type ("provenance", "sbom", or a whole one)'),
  },
  async run(cli, { platform, type }, [name = "", digest = ""]) {
    const isDigest = name.startsWith("sha256:");
    const wanted = { platform, type, digest: isDigest ? name : digest };
    if (Object.values(wanted).every((value) => value === "")) throw fail("invalid", "at least one of --type, --platform or DIGEST must be specified");
    await withControl(cli, async (control) => {
      const { digest: found } = findAttachment(attachmentsOf(await findBuild(control, isDigest ? "" : name)), wanted);
      const bytes = await readAttachment(control, found);
      cli.out.write(bytes.at(-1) === 10 ? bytes : Buffer.concat([bytes, Buffer.from("\n")]));
    });
  },
});
