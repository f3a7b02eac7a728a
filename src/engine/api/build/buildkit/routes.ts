/** Routes of BuildKit's doors. What is behind them is loaded when somebody comes through. */
import type { ApiRoute } from "../../answer.ts";
import type { BuildKit } from "./buildkit.ts";

export function buildKitRoutes(load: () => Promise<Pick<BuildKit, "session" | "grpc" | "cancel">>): ApiRoute[] {
  return [
    { method: "POST", path: "/session", hijack: true, run: async (call) => (await load()).session(call) },
    { method: "POST", path: "/grpc", hijack: true, run: async (call) => (await load()).grpc(call) },
    {
      method: "POST",
      path: "/build/cancel",
      since: 39,
      async run({ query }) {
        (await load()).cancel(query.get("id") ?? "");
        return { status: 204 };
      },
    },
  ];
}
