/**
 * Cuts a stream of bytes into lines, holding no more than one of them.
 *
 * Lines end with a line feed; the last one may not. A line longer than the limit is handed on as its
 * beginning and marked, and the rest of it is skipped, so a file without line feeds costs no memory.
 * Bytes that are not UTF-8 become U+FFFD.
 */

/** Servers refuse requests of 8–64 KiB, so a real line of an access log is far shorter. */
export const LINE_BYTES_MAX = 2 ** 20;

const LINE_FEED = 0x0a;

export class LogLines {
  readonly #onLine: (text: string, isTooLong: boolean) => void;
  readonly #decoder = new TextDecoder();
  readonly #bytesMax: number;
  /** What is known of a line that has not ended yet. Invariant: together ≤ bytesMax + 1 bytes. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  constructor(onLine: (text: string, isTooLong: boolean) => void, bytesMax = LINE_BYTES_MAX) {
    this.#onLine = onLine;
    this.#bytesMax = bytesMax;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end === -1) break;
      this.#keep(chunk.subarray(start, end));
      this.#emit();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** The stream is over: a last line without a line feed comes out. */
  end(): void {
    if (this.#pieceBytes > 0) this.#emit();
  }

  #keep(piece: Uint8Array): void {
    const room = this.#bytesMax + 1 - this.#pieceBytes;
    if (room <= 0 || piece.length === 0) return;
    this.#pieces.push(piece.subarray(0, room));
    this.#pieceBytes += Math.min(room, piece.length);
  }

  #emit(): void {
    const isTooLong = this.#pieceBytes > this.#bytesMax;
    const only = this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    const text = this.#decoder.decode(only ?? this.#joined());
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#onLine(text, isTooLong);
  }

  #joined(): Uint8Array {
    const line = new Uint8Array(this.#pieceBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      line.set(piece, at);
      at += piece.length;
    }
    return line;
  }
}
