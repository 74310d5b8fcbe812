/**
 * `parl trace`: an access log as a trace, the format that `npm run bench` and the lab run on.
 *
 *   access log ─▶ requests in order of time ─▶ trace: when, and which key's number; no names, no addresses
 */
import { resolve } from "node:path";
import { writeWhole } from "../bench/output-file.ts";
import { recordedTrace } from "../bench/recorded-trace.ts";
import { traceText } from "../bench/trace-writer.ts";
import { shown } from "../core/errors.ts";
import { isLogField, LOG_FIELDS } from "../sim/check-mapping.ts";
import { EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, type FlagTable } from "./flags.ts";
import { readLogInput } from "./replay/log-input.ts";
import { logReport, logText } from "./replay/report.ts";

const TRACE_FLAGS = {
  key: { type: "string", value: "<field>", default: "ip", about: "Field of the log that is the key." },
  out: { type: "string", value: "<file>", about: "Where the trace goes (.gz packs it)." },
} as const satisfies FlagTable;

export const trace: Command = {
  name: "trace",
  summary: "turn a real access log into a trace for the benchmarks and the lab",
  help: helpText({
    usage: "parl trace <log> --out <file> [flags]",
    about: [
      "Reads an access log in Common or Combined Log Format (.gz unpacks it), sorts it by time and writes when",
      "each request came and which key it was, as a number: the trace names nobody. Requests of one second are",
      "spread evenly over it. Lines that are no request are left out and told.",
    ].join("\n"),
    flags: TRACE_FLAGS,
    examples: [
      "parl trace access.log.gz --out site.trace",
      "npm run bench -- --algo gcra --trace site.trace --pace max --limit 100 --window 1m",
    ],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, TRACE_FLAGS, io.env, ["<log>"]);
    const [file = ""] = positionals;
    if (flags.out === undefined) throw new UsageError("--out is missing: where the trace goes");
    if (resolve(flags.out) === resolve(file)) throw new UsageError("--out would overwrite the log");
    if (!isLogField(flags.key)) {
      throw new UsageError(`--key must be a field (${LOG_FIELDS.join(", ")}), got ${shown(flags.key)}`);
    }
    const mapping = { tenant: ["log"], key: flags.key, user: null };
    const input = await readLogInput({ file, mapping, requestsMax: Infinity }, io.signal);
    if (input.kind !== "access log") throw new UsageError(`${file} is a recording, not an access log`);
    const { header, events } = recordedTrace(input.traffic.checks);
    await writeWhole(flags.out, traceText(header, [events]));
    io.stdout.write(logText(logReport(file, input.sha256, input.traffic)));
    io.stdout.write(`${flags.out}: ${events.count} events of ${header.keys} keys\n`);
    return EXIT_OK;
  },
};
