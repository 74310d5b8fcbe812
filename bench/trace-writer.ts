/** Turns events into the text of trace.ts, a batch at a time, so that a trace of any length needs no memory. */
import type { EventColumns } from "./events.ts";
import { headerLine, type TraceHeader } from "./trace.ts";

export function* traceText(header: TraceHeader, batches: Iterable<EventColumns>): Generator<string, void> {
  yield headerLine(header);
  let beforeUs = header.startUs;
  let events = 0;
  for (const batch of batches) {
    let text = "";
    for (let index = 0; index < batch.count; index += 1) {
      const atUs = batch.atUs[index]!;
      const cost = batch.cost[index]!;
      text += `${atUs - beforeUs} ${batch.key[index]!}${cost === 1 ? "" : ` ${cost}`}\n`;
      beforeUs = atUs;
    }
    events += batch.count;
    yield text;
  }
  yield `end ${events}\n`;
}
