/** What is asked of a client, and what need not be. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { bidirectional, method, served, serveGrpc } from "#base/grpc/grpc.ts";
import { never, testContexts } from "#builder/contexts/contexts-fixture.ts";
import { METHODS, PACKET, packet, SESSION, SYNC } from "#spec/buildkit/session.ts";
import { openBuildClient } from "./client.ts";
import { openSessions, sessionHeaders } from "./sessions.ts";

const NAMES = [".dockerignore", "Dockerfile", "src"];

test("a folder of which a build says that it is as it was is not asked for: neither whole, nor a part of it", async (t) => {
  const { contexts } = await testContexts(t);
  const sessions = openSessions();
  t.after(() => sessions.close());
  const asked: string[] = [];
  /** A build of a client whose folder is called so now. */
  const open = (id: string, said: Readonly<Record<string, string>>, state: string) => {
    const [near, far] = duplexPair();
    const server = serveGrpc(far, {
      find: served([bidirectional(method(METHODS.fileSync, packet, packet), async (call) => {
        asked.push(`${id} ${call.metadata[SYNC.follow] ?? ""}`);
        call.head({ [SYNC.state]: [state] });
        const isWhole = call.metadata[SYNC.follow] === undefined;
        if (!(call.metadata[SYNC.state] ?? []).includes(state)) for (const path of isWhole ? NAMES : ["Dockerfile"]) await call.send({ type: PACKET.stat, stat: { path, mode: 0o644 } });
        await call.send({ type: PACKET.stat });
        for await (const { type } of call.messages) if (type === PACKET.finish) break;
        await call.send({ type: PACKET.finish });
      })]),
    });
    t.after(() => server.close());
    const rawHeaders = [SESSION.id, id, SESSION.sharedKey, "/home/me", SESSION.method, METHODS.fileSync];
    sessions.open(near, sessionHeaders({ rawHeaders }));
    return openBuildClient({ sessions, contexts, session: id, states: new Map(Object.entries(said)), translated: { folders: {}, sessions: {}, upload: undefined }, signal: never });
  };
  const names = async (client: ReturnType<typeof open>, include: readonly string[] = []) => (await client.files("context", { include, signal: never })).entries.map(({ path }) => path);

  assert.deepEqual(await names(open("first", { context: "s1" }, "s1")), NAMES);
  const second = open("second", { context: "s1" }, "s1");
  assert.deepEqual(await names(second, ["Dockerfile"]), ["Dockerfile"]);
  assert.deepEqual(await names(second), NAMES);
  assert.deepEqual(asked, ["first "]);
  assert.deepEqual(await names(open("third", { context: "s2", other: "s1" }, "s2"), ["Dockerfile"]), ["Dockerfile"]);
  assert.deepEqual(asked, ["first ", "third Dockerfile"]);
});
