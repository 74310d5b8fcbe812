/** `npm run gen`: writes a deterministic trace (trace.ts) to a file or to standard output. */
import { runCommand } from "./command.ts";
import type { EventColumns } from "./events.ts";
import type { Flags } from "./flags.ts";
import { writeStandardOutput, writeWhole } from "./output-file.ts";
import { Progress } from "./progress.ts";
import { generateEvents } from "./trace-generator.ts";
import { headerFromFlags, TRACE_FLAGS } from "./trace-flags.ts";
import type { GeneratedHeader } from "./trace.ts";
import { traceText } from "./trace-writer.ts";

await runCommand({
  synopsis: "npm run gen -- [flags]: a deterministic request trace; the same flags give the same bytes.",
  flags: {
    ...TRACE_FLAGS,
    out: { value: "F", about: "write to file F, compressed when it ends in .gz [standard output]" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const header = headerFromFlags(flags);
  const path = flags.text("out");
  const progress = new Progress("generating");
  const text = traceText(header, watched(header, progress));
  try {
    await (path === undefined || path === "-" ? writeStandardOutput(text) : writeWhole(path, text));
  } finally {
    progress.done();
  }
}

function* watched(header: GeneratedHeader, progress: Progress): Generator<EventColumns, void> {
  for (const batch of generateEvents(header)) {
    yield batch;
    progress.update((batch.atUs[batch.count - 1]! - header.startUs) / header.durationUs);
  }
}
