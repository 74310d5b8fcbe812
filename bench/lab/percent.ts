/** Percentages in results: three digits behind the point say all there is to say. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : toThousandths((100 * part) / whole);
}

export function toThousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
