/** `npm run bench`: drives one algorithm on one backend with one trace and prints one row. */
import { BENCH_FLAGS, measuredRow } from "./bench-command.ts";
import { runCommand } from "./command.ts";
import type { Flags } from "./flags.ts";
import { appendCsv, csvText, tableText } from "./row.ts";

await runCommand({
  synopsis: `npm run bench -- --algo A [flags]: one algorithm, one backend, one trace, one row.

Latency at --pace real counts from the moment a request was due (open loop); at --pace max it is service
time, amortised over batches of 1,000. The trace is read from --trace or made from its flags.`,
  flags: BENCH_FLAGS,
  run,
});

async function run(flags: Flags): Promise<void> {
  const row = await measuredRow(flags, () => performance.now() * 1000);
  const csvPath = flags.text("csv");
  if (csvPath === "-") process.stdout.write(csvText(row));
  else if (csvPath !== undefined) await appendCsv(csvPath, row);
  if (flags.has("json")) process.stdout.write(`${JSON.stringify(row)}\n`);
  else if (csvPath !== "-") process.stdout.write(tableText(row));
}
