/** Records of the build cache, as `system df -v` and `builder du` list them. */
import type { View } from "./rows.ts";
import { goTimeOf } from "./time.ts";
import { humanDuration, humanSize, shortId } from "./units.ts";

export type CacheRecord = {
  readonly ID: string;
  /** Of an API before 1.42. */
  readonly Parent?: string;
  readonly Type: string;
  readonly Description?: string;
  readonly Size: number;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly CreatedAt: string;
  readonly LastUsedAt?: string | null;
  readonly UsageCount: number;
};

/** `full`: identifiers whole. */
export function buildCacheView({ full }: { full: boolean }, now = Date.now()): View<CacheRecord> {
  const ago = (time: string) => `${humanDuration((now - Date.parse(time)) / 1000)} ago`;
  return {
    type: "*formatter.buildCacheContext",
    table: ["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"],
    quiet: "ID",
    raw: [
      ["build_cache_id", "ID"],
      ["parent_id", "Parent"],
      ["build_cache_type", "CacheType"],
      ["description", "Description"],
      ["created_at", "CreatedAt"],
      ["created_since", "CreatedSince"],
      ["last_used_at", "LastUsedAt"],
      ["last_used_since", "LastUsedSince"],
      ["usage_count", "UsageCount"],
      ["in_use", "InUse"],
      ["shared", "Shared"],
    ],
    fields: {
      CacheType: ["CACHE TYPE", ({ Type }) => Type],
      CreatedAt: ["CREATED AT", ({ CreatedAt }) => goTimeOf(CreatedAt)],
      CreatedSince: ["CREATED", ({ CreatedAt }) => ago(CreatedAt)],
      Description: ["DESCRIPTION", ({ Description = "" }) => Description],
      ID: ["CACHE ID", ({ ID, InUse }) => `${full ? ID : shortId(ID)}${InUse ? "*" : ""}`],
      InUse: ["IN USE", ({ InUse }) => String(InUse)],
      LastUsedAt: ["LAST USED AT", ({ LastUsedAt }) => goTimeOf(LastUsedAt ?? "")],
      LastUsedSince: ["LAST USED", ({ LastUsedAt }) => (LastUsedAt ? ago(LastUsedAt) : "")],
      Parent: ["PARENT", ({ Parent = "" }) => Parent],
      Shared: ["SHARED", ({ Shared }) => String(Shared)],
      Size: ["SIZE", ({ Size }) => humanSize(Size)],
      UsageCount: ["USAGE", ({ UsageCount }) => String(UsageCount)],
    },
  };
}

/** The longest unused first; of what nobody knows it, before all. */
export function byLastUse(records: readonly CacheRecord[]): CacheRecord[] {
  const time = ({ LastUsedAt }: CacheRecord) => (LastUsedAt ? Date.parse(LastUsedAt) : Number.NEGATIVE_INFINITY);
  return records.toSorted((a, b) => (time(a) === time(b) ? (a.ID < b.ID ? -1 : 1) : time(a) - time(b)));
}
