import { copyCommand } from "./copy-volume.ts";

export const command = copyCommand("clone");
