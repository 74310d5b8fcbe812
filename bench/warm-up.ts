/**
 * What a trace is driven by before it counts, on backends that are thrown away: first as fast as it goes, so that the
 * compiler has seen all there is, then at the pace of the run, so that the heap, the connection and the server have
 * settled at that pace. The run then counts from its first event on.
 */
import type { Backend } from "./backend.ts";
import { drive, type DriveOptions } from "./driver.ts";
import type { EventColumns } from "./events.ts";

/** The compiler has one core with everything else: it takes a second until it has nothing more to improve. */
const FAST_EVENTS = 400_000;
/** For what is then warmed up at its own pace. */
const FAST_EVENTS_PACED = 100_000;
const PACED_US = 2_000_000;

/** @param open a backend for these events, with nothing in it */
export async function warmUp(
  events: EventColumns,
  open: (some: EventColumns) => Promise<Backend>,
  options: DriveOptions,
): Promise<void> {
  const fast = events.first(options.pace === "max" ? FAST_EVENTS : FAST_EVENTS_PACED);
  await drive(fast, await open(fast), { ...options, pace: "max" });
  if (options.pace === "max") return;
  const paced = events.before(events.atUs[0]! + PACED_US);
  await drive(paced, await open(paced), options);
}
