/**
 * What a trace is driven by before it counts, on backends that are thrown away: first as fast as it goes, so that the
 * compiler has seen all there is, then at the pace of the run, so that the heap, the connection and the server have
 * settled at that pace. The run then counts from its first event on.
 */
import type { Backend } from "./backend.ts";
import { drive, type DriveOptions } from "./driver.ts";
import type { EventColumns } from "./events.ts";

const FAST_EVENTS = 100_000;
const PACED_US = 2_000_000;

/** @param open a backend for these events, with nothing in it */
export async function warmUp(
  events: EventColumns,
  open: (some: EventColumns) => Promise<Backend>,
  options: DriveOptions,
): Promise<void> {
  const fast = events.first(FAST_EVENTS);
  await drive(fast, await open(fast), { ...options, pace: "max" });
  if (options.pace === "max") return;
  const paced = events.before(events.atUs[0]! + PACED_US);
  await drive(paced, await open(paced), options);
}
