/**
 * How far a replay has come: a bar that redraws itself on a terminal, else a line now and then.
 */
import type { TextSink } from "../command.ts";
import { grouped } from "../table.ts";

const BAR_CELLS = 24;
const REDRAW_MS = 100;
/** Often enough for somebody who watches a log, rare enough not to fill it. */
const LINE_MS = 5_000;

export class Progress {
  readonly #sink: TextSink;
  readonly #total: number;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #shownMs: number;
  #isDrawn = false;

  constructor(sink: TextSink, total: number, nowMs: () => number) {
    this.#sink = sink;
    this.#total = total;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#shownMs = this.#startMs;
  }

  /** Tells how many are done; shows it when it is time to. */
  update(done: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#shownMs < (this.#sink.isTTY ? REDRAW_MS : LINE_MS)) return;
    this.#shownMs = nowMs;
    const rate = (done / (nowMs - this.#startMs)) * 1_000;
    const share = this.#total === 0 ? 1 : done / this.#total;
    const count = `${grouped(done)} of ${grouped(this.#total)}, ${grouped(Math.round(rate))}/s`;
    if (this.#sink.isTTY) {
      const bar = "█".repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, "░");
      this.#sink.write(`\r\u001B[K${bar} ${count}`);
      this.#isDrawn = true;
    } else {
      this.#sink.write(`${Math.floor(share * 100)} %: ${count}\n`);
    }
  }

  /** Takes the bar off the terminal. */
  clear(): void {
    if (this.#isDrawn) this.#sink.write("\r\u001B[K");
    this.#isDrawn = false;
  }
}
