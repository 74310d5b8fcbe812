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

/** A number longer than this is split up: nobody reads 2147483647ms. */
const WHOLE_MAX = 999;

/**
 * The other way: in the largest unit that leaves a small whole number, as a policy file would have it (90s, not
 * 1.5m), else in several (24d 20h 31m 23.647s).
 */
export function formatDuration(us: number): string {
  let restUs = Math.ceil(us);
  if (restUs === 0) return "0s";
  const fitting = [...UNIT_US].toReversed().find(([, unitUs]) => restUs % unitUs === 0);
  if (fitting !== undefined && restUs / fitting[1] <= WHOLE_MAX) return `${restUs / fitting[1]}${fitting[0]}`;
  if (restUs < US_PER_MS) return `${restUs}us`;
  if (restUs < US_PER_S) return `${restUs / US_PER_MS}ms`;
  const parts: string[] = [];
  for (const [name, unitUs] of [...UNIT_US].toReversed()) {
    if (unitUs <= US_PER_S) break;
    if (restUs >= unitUs) parts.push(`${Math.floor(restUs / unitUs)}${name}`);
    restUs %= unitUs;
  }
  // Without an exponent, which JavaScript would write below a microsecond's tenfold.
  if (restUs > 0) parts.push(`${(restUs / US_PER_S).toFixed(6).replace(/\.?0+$/, "")}s`);
  return parts.join(" ");
}
