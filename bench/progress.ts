/**
 * A progress bar on standard error: drawn when it is a terminal, silent otherwise. Writing is limited to ten
 * times a second, so that asking for it in a loop costs a comparison.
 */

const REDRAW_MS = 100;
const WIDTH = 30;

export class Progress {
  readonly #title: string;
  readonly #stream: NodeJS.WriteStream;
  #drawnMs = 0;

  constructor(title: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#title = title;
    this.#stream = stream;
  }

  /** `share` of the work done, 0 … 1. */
  update(share: number): void {
    const nowMs = performance.now();
    if (!this.#stream.isTTY || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    const filled = Math.round(Math.min(Math.max(share, 0), 1) * WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    this.#stream.write(`\r${this.#title} ${bar} ${Math.floor(share * 100)} %`);
  }

  done(): void {
    if (this.#stream.isTTY && this.#drawnMs > 0) this.#stream.write("\r\u001b[K");
  }
}
