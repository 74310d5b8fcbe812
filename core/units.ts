/**
 * Time is integer microseconds everywhere; a name that holds some ends in `Us`.
 *
 * Exact: microseconds since 1970 stay below 2^53 until the year 2255. Rounding happens only at the edges
 * (headers in seconds, JSON in milliseconds) and always upwards: a caller who waits what it was told must
 * not come back early.
 */

declare const unit: unique symbol;

/** A moment or a duration in whole microseconds. */
export type Micros = number & { readonly [unit]: "µs" };

export const US_PER_MS = 1_000;
export const US_PER_S = 1_000_000;

/** Names a number as microseconds; the one cast of the code base. */
export function micros(value: number): Micros {
  return value as Micros;
}

export function microsFromMillis(millis: number): Micros {
  return micros(Math.round(millis * US_PER_MS));
}

/** Whole milliseconds that cover `us`. Infinity stays Infinity. */
export function millisCeil(us: number): number {
  return Math.ceil(us / US_PER_MS);
}

/** Whole seconds that cover `us`. Infinity stays Infinity. */
export function secondsCeil(us: number): number {
  return Math.ceil(us / US_PER_S);
}
