/**
 * Rows as aligned columns, for people. A column of numbers is aligned to the right; every table a command
 * prints has its `--json` twin for programs.
 */
export type Cell = string | number;

const THOUSANDS = new Intl.NumberFormat("en-US");

/** Lines ending in line feeds, the header first. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === "number" ? grouped(cell) : cell)));
  const widths = header.map((title, i) => Math.max(title.length, ...texts.map((row) => row[i]?.length ?? 0)));
  const isNumeric = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, i) => {
      const cell = cells[i] ?? "";
      return isNumeric[i] ? cell.padStart(width) : cell.padEnd(width);
    });
    return `${padded.join("  ").trimEnd()}\n`;
  };
  return [header, ...texts].map(line).join("");
}

/** 12,345 */
export function grouped(number: number): string {
  return THOUSANDS.format(number);
}

/** A part of a whole, 0 … 1, as a number of percent; a dash for one of nothing. */
export function percent(share: unknown): Cell {
  return typeof share === "number" ? 100 * share : "–";
}
