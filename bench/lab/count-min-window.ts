/**
 * A sliding log of all keys together, in a fixed number of counters: for each of the last n + 1 sub-windows a
 * Count-Min sketch of what was admitted in it.
 *
 *      sub-window   now      −1       −2   …          a key's count in one of them is the least of its
 *                  ┌────┐  ┌────┐  ┌────┐             d counters; others that fall on the same ones
 *              d   │▒▒▒▒│  │▒▒▒▒│  │▒▒▒▒│             can only make it larger
 *                  └────┘  └────┘  └────┘
 *                    w
 *
 * The sum over n + 1 sub-windows is never below what the key was admitted in any window, so no key ever passes its
 * limit; keys that share their counters with busy ones are refused too early. Only counters below the new count are
 * raised (conservative update), which keeps strangers' shares small.
 * Source: Cormode, Muthukrishnan, An improved data stream summary, 2005; Estan, Varghese, 2002.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { Prng } from "../../core/prng.ts";

export interface SketchSize {
  /** Counters in a row. */
  readonly width: number;
  /** Rows. */
  readonly depth: number;
}

export class CountMinWindow {
  readonly #limit: number;
  readonly #subWindowUs: number;
  readonly #size: SketchSize;
  /** One sketch after the other, each row by row. */
  readonly #counters: Uint16Array;
  /** Number of the sub-window that each sketch is for. */
  readonly #subWindows: Float64Array;
  /** Of the hash, one a row. */
  readonly #seeds: Int32Array;
  /** The counters of the key at hand, one a row. */
  readonly #columns: Int32Array;

  /** @param params with a limit below 2^16 and `subWindows`, 10 when absent */
  constructor(params: AlgorithmParams, size: SketchSize, seed: number) {
    const { limit, windowUs, subWindows = 10 } = params;
    this.#limit = limit;
    this.#subWindowUs = Math.ceil(windowUs / subWindows);
    this.#size = size;
    this.#counters = new Uint16Array((subWindows + 1) * size.width * size.depth);
    this.#subWindows = new Float64Array(subWindows + 1).fill(-1);
    const prng = new Prng(seed);
    this.#seeds = Int32Array.from({ length: size.depth }, () => prng.u32());
    this.#columns = new Int32Array(size.depth);
  }

  get bytes(): number {
    return this.#counters.byteLength;
  }

  /** Whether one unit of a key is admitted; moments never decrease. */
  ask(key: number, nowUs: number): boolean {
    const now = Math.floor(nowUs / this.#subWindowUs);
    const ring = this.#subWindows.length;
    const current = now % ring;
    if (this.#subWindows[current] !== now) this.#clear(current, now);
    this.#place(key);
    let admitted = 0;
    for (let sketch = 0; sketch < ring; sketch += 1) {
      if (this.#subWindows[sketch]! > now - ring) admitted += this.#least(sketch);
    }
    if (admitted >= this.#limit) return false;
    this.#raise(current, this.#least(current) + 1);
    return true;
  }

  #clear(sketch: number, subWindow: number): void {
    const cells = this.#size.width * this.#size.depth;
    this.#counters.fill(0, sketch * cells, (sketch + 1) * cells);
    this.#subWindows[sketch] = subWindow;
  }

  /** Finds the key's counter in each row, counted from the beginning of a sketch. */
  #place(key: number): void {
    const { width, depth } = this.#size;
    for (let row = 0; row < depth; row += 1) {
      this.#columns[row] = row * width + (mixed(key ^ this.#seeds[row]!) % width);
    }
  }

  #least(sketch: number): number {
    const from = sketch * this.#size.width * this.#size.depth;
    let least = Infinity;
    for (const column of this.#columns) least = Math.min(least, this.#counters[from + column]!);
    return least;
  }

  #raise(sketch: number, count: number): void {
    const from = sketch * this.#size.width * this.#size.depth;
    for (const column of this.#columns) {
      this.#counters[from + column] = Math.max(this.#counters[from + column]!, count);
    }
  }
}

/** MurmurHash3's finaliser: every bit of the input turns half of the bits. */
function mixed(word: number): number {
  const once = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}
