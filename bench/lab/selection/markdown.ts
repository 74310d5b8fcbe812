/** The few shapes of Markdown that the page is made of. */
import type { Statement } from "./statement.ts";

/** A statement and, behind it, links to the results it rests on. */
export function cited({ text, from }: Statement, folder: string): string {
  if (from.length === 0) return text;
  return `${text} (${from.map((name) => resultLink(name, folder)).join(", ")})`;
}

export function resultLink(name: string, folder: string): string {
  return `[${name}](${folder}/${name}.json)`;
}

export function command(names: readonly string[]): string {
  return `\`npm run lab -- ${names.join(" ")}\``;
}

/** Where a heading can be linked to, as GitHub makes it. */
export function anchor(heading: string): string {
  const kept = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} -]/gu, "");
  return `#${kept.replaceAll(" ", "-")}`;
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [tableLine(header), tableLine(header.map(() => "---")), ...rows.map(tableLine)].join("\n");
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
