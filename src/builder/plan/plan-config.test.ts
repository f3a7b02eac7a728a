/** Dockerfile text → the image's configuration and history. Anyone can add a case. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plan, type Wish } from "./plan-fixture.ts";

type Case = { name: string; text: string; wish?: Wish; config?: object; history?: readonly string[]; author?: string; arch?: string };

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const FROM = "FROM busybox\n";

const CASES: readonly Case[] = [
  { name: "a base's own", text: "FROM app:1", config: { User: "web", ExposedPorts: { "80/tcp": {} }, Env: ["PATH=/bin", "A=base"], Entrypoint: ["/app"], Cmd: ["serve"], WorkingDir: "/srv", Labels: { base: "yes" } }, history: [], author: "base" },
  { name: "scratch", text: "FROM scratch\nENV A=1", config: { Env: [PATH, "A=1"], WorkingDir: "/" }, history: ["ENV A=1"], author: "" },
  { name: "a base that says nothing", text: "FROM bare", config: { Env: [PATH] } },
  { name: "ENV sees what stood before it", text: `${FROM}ENV A=1\nENV A=2 B=$A`, config: { Env: ["PATH=/bin", "A=2", "B=1"], Cmd: ["sh"] }, history: ["ENV A=1", "ENV A=2 B=1"] },
  { name: "ENV, the old form", text: `${FROM}ENV A one two`, history: ["ENV A=one two"] },
  { name: "ENV stays in its place", text: "FROM app:1\nENV PATH=$PATH:/x Z=1", config: { User: "web", ExposedPorts: { "80/tcp": {} }, Env: ["PATH=/bin:/x", "A=base", "Z=1"], Entrypoint: ["/app"], Cmd: ["serve"], WorkingDir: "/srv", Labels: { base: "yes" } } },
  { name: "LABEL and --label", text: `${FROM}LABEL z=1 a="two words"`, wish: { labels: { m: "3" } }, config: { Env: ["PATH=/bin"], Cmd: ["sh"], Labels: { a: "two words", m: "3", z: "1" } }, history: ["LABEL z=1 a=two words"] },
  { name: "EXPOSE", text: `${FROM}ARG P="81 82/udp"\nEXPOSE 8000-8002 80 $P 127.0.0.1:90:91`, config: { Env: ["PATH=/bin"], Cmd: ["sh"], ExposedPorts: Object.fromEntries(["80/tcp", "8000/tcp", "8001/tcp", "8002/tcp", "81/tcp", "82/udp", "91/tcp"].map((port) => [port, {}])) } },
  { name: "EXPOSE in history", text: `${FROM}EXPOSE 90/UDP 80 80`, history: ["EXPOSE [80/tcp 80/tcp 90/udp]"] },
  { name: "EXPOSE of a number with a sign", text: `${FROM}EXPOSE +80`, history: ["EXPOSE [80/tcp]"] },
  { name: "VOLUME, both forms", text: `${FROM}VOLUME /a /b\nVOLUME ["/c d"]`, config: { Env: ["PATH=/bin"], Cmd: ["sh"], Volumes: { "/a": {}, "/b": {}, "/c d": {} } }, history: ["VOLUME [/a /b]", "VOLUME [/c d]"] },
  { name: "CMD and ENTRYPOINT", text: `${FROM}ENTRYPOINT ["/x"]\nCMD a b`, config: { Env: ["PATH=/bin"], Entrypoint: ["/x"], Cmd: ["/bin/sh", "-c", "a b"], ArgsEscaped: true }, history: ['ENTRYPOINT ["/x"]', 'CMD ["/bin/sh" "-c" "a b"]'] },
  { name: "an ENTRYPOINT takes the base's CMD away", text: `${FROM}ENTRYPOINT /x`, config: { Env: ["PATH=/bin"], Entrypoint: ["/bin/sh", "-c", "/x"] } },
  { name: "but not its own stage's", text: `${FROM}CMD ["a"]\nENTRYPOINT ["/x"]`, config: { Env: ["PATH=/bin"], Entrypoint: ["/x"], Cmd: ["a"], ArgsEscaped: true } },
  { name: "a parent stage's CMD is the base's", text: `FROM busybox AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["/x"]`, config: { Env: ["PATH=/bin"], Entrypoint: ["/x"], ArgsEscaped: true } },
  { name: "SHELL", text: `${FROM}SHELL ["/bin/ash", "-ec"]\nCMD x`, config: { Env: ["PATH=/bin"], Cmd: ["/bin/ash", "-ec", "x"], ArgsEscaped: true, Shell: ["/bin/ash", "-ec"] }, history: ["SHELL [/bin/ash -ec]", 'CMD ["/bin/ash" "-ec" "x"]'] },
  {
    name: "HEALTHCHECK",
    text: `${FROM}HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1h --retries=3 CMD ["a","b"]`,
    config: { Env: ["PATH=/bin"], Cmd: ["sh"], Healthcheck: { Test: ["CMD", "a", "b"], Interval: 90e9, Timeout: 5e8, StartPeriod: 3600e9, Retries: 3 } },
    history: [`HEALTHCHECK &{["CMD" "a" "b"] "1m30s" "500ms" "1h0m0s" "0s" '\\x03'}`],
  },
  { name: "HEALTHCHECK, odd times", text: `${FROM}HEALTHCHECK --interval=1m1ns --retries=55296 CMD x`, history: [`HEALTHCHECK &{["CMD-SHELL" "x"] "1m0.000000001s" "0s" "0s" "0s" '\ufffd'}`] },
  { name: "HEALTHCHECK NONE", text: `${FROM}HEALTHCHECK NONE`, config: { Env: ["PATH=/bin"], Cmd: ["sh"], Healthcheck: { Test: ["NONE"] } } },
  { name: "STOPSIGNAL, USER, MAINTAINER", text: `${FROM}STOPSIGNAL SIGQUIT\nARG U=me\nUSER $U:1\nMAINTAINER Some One`, config: { User: "me:1", Env: ["PATH=/bin"], Cmd: ["sh"], StopSignal: "SIGQUIT" }, author: "Some One" },
  { name: "WORKDIR", text: "FROM app:1\nWORKDIR a\nWORKDIR ../b/\nWORKDIR /", history: ["WORKDIR /srv/a", "WORKDIR /srv/b", "WORKDIR /"] },
  { name: "WORKDIR as it is written", text: `${FROM}WORKDIR /a/../b//`, config: { Env: ["PATH=/bin"], Cmd: ["sh"], WorkingDir: "/a/../b//" }, history: ["WORKDIR /a/../b//"] },
  { name: "ONBUILD is kept with its blanks", text: `${FROM}ONBUILD  RUN  a  \nRUN b `, config: { Env: ["PATH=/bin"], Cmd: ["sh"], OnBuild: ["RUN  a  "] }, history: ["RUN /bin/sh -c b # buildkit"] },
  { name: "ONBUILD is kept", text: `${FROM}ONBUILD RUN a \\\n  b\nONBUILD COPY . /x`, config: { Env: ["PATH=/bin"], Cmd: ["sh"], OnBuild: ["RUN a   b", "COPY . /x"] }, history: [] },
  { name: "ONBUILD is done, and not handed on", text: "FROM trigger", config: { Env: [PATH] }, history: ["COPY package.json /app/ # buildkit", "RUN /bin/sh -c npm ci # buildkit"] },
  { name: "ONBUILD of a stage", text: `FROM busybox AS a\nONBUILD ENV X=1\nFROM a AS b\nFROM b`, config: { Env: ["PATH=/bin", "X=1"], Cmd: ["sh"] }, history: ["ENV X=1"] },
  { name: "ARG: default, global, given", text: "ARG A=1\nARG B=2\nFROM busybox\nARG A\nARG B=3\nARG C=${A}${B}\nARG D\nENV E=$A$B$C$D", wish: { buildArgs: { A: "9" } }, history: ["ARG A=9", "ARG B=3", "ARG C=93", "ARG D", "ENV E=9393"] },
  { name: "a global ARG is not seen without ARG", text: "ARG A=1\nFROM busybox\nENV E=x$A", history: ["ENV E=x"] },
  { name: "ENV of a stage counts again in the one based on it", text: "FROM busybox AS a\nENV A=1\nARG A=2\nFROM a\nENV B=$A", config: { Env: ["PATH=/bin", "A=1", "B=1"], Cmd: ["sh"] } },
  { name: "a global ARG's default that fails is not asked when it is given", text: "ARG A=${B:?none}\nFROM busybox", wish: { buildArgs: { A: "1" } }, history: [] },
  { name: "ENV stands before ARG's value if it comes later", text: `${FROM}ARG A=1\nENV A=2\nRUN x`, history: ["ARG A=1", "ENV A=2", "RUN |1 A=2 /bin/sh -c x # buildkit"] },
  { name: "arguments of a RUN", text: `${FROM}ARG A\nARG B=2\nRUN x`, history: ["ARG A", "ARG B=2", "RUN |2 A= B=2 /bin/sh -c x # buildkit"] },
  { name: "proxies are nowhere", text: `${FROM}RUN x`, wish: { buildArgs: { HTTP_PROXY: "http://u:p@h", no_proxy: "x" } }, config: { Env: ["PATH=/bin"], Cmd: ["sh"] }, history: ["RUN /bin/sh -c x # buildkit"] },
  { name: "platforms as arguments", text: `${FROM}ARG TARGETPLATFORM\nARG TARGETARCH\nARG BUILDOS\nARG TARGETSTAGE`, history: ["ARG TARGETPLATFORM=linux/amd64", "ARG TARGETARCH=amd64", "ARG BUILDOS=linux", "ARG TARGETSTAGE=default"] },
  { name: "an image of another machine makes its stage one of that", text: "FROM bare", arch: "amd64" },
  { name: "RUN, exec form", text: `${FROM}RUN ["a", "b c"]`, history: ["RUN a b c # buildkit"] },
  { name: "RUN of a heredoc", text: `${FROM}RUN <<E\na\nb\nE`, history: ["RUN /bin/sh -c a\nb\n # buildkit"] },
  { name: "RUN of a heredoc with #!", text: `${FROM}RUN <<E\n#!/bin/ash\na\nE`, history: ["RUN /bin/sh -c /dev/pipes/E # buildkit"] },
  { name: "RUN of a heredoc with #! behind a tab", text: `${FROM}RUN <<-E\n\t#!/bin/ash\n\ta\n\tE`, history: ["RUN /bin/sh -c #!/bin/ash\na\n # buildkit"] },
  { name: "RUN of a command whose shell takes the tabs away", text: `${FROM}RUN <<-E cat\n\ta\n\tE`, history: ["RUN /bin/sh -c <<-E cat\n\ta\nE # buildkit"] },
  { name: "RUN of a command with heredocs", text: `${FROM}RUN cat <<A <<B > x\n1\nA\n2\nB`, history: ["RUN /bin/sh -c cat <<A <<B > x\n1\nA\n2\nB # buildkit"] },
  { name: "COPY", text: `FROM app:1\nCOPY --chown=$A:1 --chmod=0644 --link a b ./x/\nADD https://h/f.tgz https://h/r.git#v1 /`, history: ["COPY --chown=base:1 --chmod=0644 a b ./x/ # buildkit", "ADD https://h/f.tgz https://h/r.git#v1 / # buildkit"] },
];

for (const { name, text, wish = {}, config, history, author, arch } of CASES) {
  test(`configuration: ${name}`, async () => {
    const image = (await plan(text, wish)).images[0]!;
    if (config !== undefined) assert.deepEqual(image.config, config);
    if (history !== undefined) assert.deepEqual(image.history.map(({ createdBy }) => createdBy), history);
    if (author !== undefined) assert.equal(image.author, author);
    if (arch !== undefined) assert.equal(image.platform.architecture, arch);
  });
}

test("the same text is the same plan, key for key", async () => {
  const text = "FROM app:1\nLABEL b=1 a=2\nEXPOSE 90 80\nRUN x";
  assert.equal(JSON.stringify(await plan(text)), JSON.stringify(await plan(text)));
});
