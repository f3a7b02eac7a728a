import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { parseMoment } from "../../format/moment.ts";
import { createDemuxer } from "../../terminal/frames.ts";
import { exitOnSignals } from "../../terminal/terminal.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: {
    details: bool("", "Show the attributes that were logged too"),
    follow: bool("f", "Go on as more is written"),
    since: text("", 'From this time on ("2013-01-02T13:23:37Z", or "42m" ago)'),
    tail: text("n", "Only so many lines from the end", "all"),
    timestamps: bool("t", "Show when each line was written"),
    until: text("", 'Up to this time ("2013-01-02T13:23:37Z", or "42m" ago)'),
  },
  async run(cli, options, [name = ""]) {
    exitOnSignals();
    const api = await cli.api();
    const container = await api.json<{ Id: string; Config: { Tty: boolean } }>("GET", containerPath(name, "/json"));
    const answer = await api.send("GET", `/containers/${container.Id}/logs`, {
      query: {
        stdout: true,
        stderr: true,
        since: parseMoment(options.since, "since"),
        until: parseMoment(options.until, "until"),
        timestamps: options.timestamps,
        follow: options.follow,
        details: options.details,
        tail: options.tail,
      },
    });
    if (container.Config.Tty) {
      for await (const chunk of answer.body) cli.out.write(chunk);
      return;
    }
    const demuxer = createDemuxer((stream, bytes) => (stream === 2 ? cli.err : cli.out).write(bytes));
    for await (const chunk of answer.body) demuxer.push(chunk);
    demuxer.end();
  },
});
