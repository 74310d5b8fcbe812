/**
 * CPU time of other processes, from Linux's /proc: what a measurement costs whom, which a busy neighbour
 * changes far less than it changes how long the measurement takes.
 */
import { readFileSync } from "node:fs";

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own tick is. */
const US_PER_TICK = 10_000;
/** Places of user and system ticks in /proc/<pid>/stat, counted after the name (which may have spaces in it). */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** Microseconds of CPU that a process has used so far; NaN where nobody can say. */
export function cpuTimeUs(pid: number): number {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return Number.NaN;
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) * US_PER_TICK;
}
