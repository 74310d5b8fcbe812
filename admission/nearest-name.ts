/**
 * The known name a misspelt one was meant to be, or undefined where none is near.
 *
 * Near: at most a third of the letters, rounded up, inserted, dropped or replaced (Levenshtein), case aside. Words
 * longer than any name here could be are not compared, so hostile input costs nothing.
 */
const LENGTH_MAX = 40;

export function nearestName(word: string, names: readonly string[]): string | undefined {
  if (word.length > LENGTH_MAX) return undefined;
  let nearest: string | undefined;
  let fewest = Math.ceil(word.length / 3) + 1;
  for (const name of names) {
    const edits = editDistance(word.toLowerCase(), name.toLowerCase());
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = name;
  }
  return nearest;
}

/** Row by row of the classic table: `row[j]` is the distance from the letters of `a` so far to `b[0, j)`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
