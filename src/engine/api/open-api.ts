import type { Api, ApiParts } from "./api.ts";

export function openApi(_parts: ApiParts): Api {
  throw new Error("not written yet");
}
