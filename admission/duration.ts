/** Durations as people write them in a policy file: 250ms, 10s, 5m, 1h, 1d, or a whole number of seconds. */
import { micros, US_PER_MS, US_PER_S, type Micros } from "../core/units.ts";

const UNIT_US = new Map([
  ["ms", US_PER_MS],
  ["s", US_PER_S],
  ["m", 60 * US_PER_S],
  ["h", 3_600 * US_PER_S],
  ["d", 86_400 * US_PER_S],
]);

// Eleven digits hold 366 days in milliseconds, and days still fit 2^53 µs.
const WRITTEN = /^(\d{1,11})(ms|s|m|h|d)$/;

/** The duration in microseconds, or undefined where `written` is none. */
export function parseDuration(written: unknown): Micros | undefined {
  if (typeof written === "number")
    return Number.isSafeInteger(written) ? micros(written * US_PER_S) : undefined;
  if (typeof written !== "string") return undefined;
  const [, digits, unit] = WRITTEN.exec(written) ?? [];
  const unitUs = UNIT_US.get(unit ?? "");
  return unitUs === undefined ? undefined : micros(Number(digits) * unitUs);
}

/** The same the other way, in the largest unit that leaves a whole number: 90s, not 1.5m. */
export function formatDuration(us: number): string {
  const fitting = [...UNIT_US].toReversed().find(([, unitUs]) => us % unitUs === 0);
  return fitting === undefined ? `${us}us` : `${us / fitting[1]}${fitting[0]}`;
}
