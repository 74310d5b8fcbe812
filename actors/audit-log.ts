/**
 * The audit log: who asked for what, one line of JSON each, in a file that is only ever appended to.
 *
 *      audit.log ──(full)──▶ audit.log.1 ──▶ audit.log.2 ──▶ … ──▶ gone
 *
 * A line counts as written when it has reached the disk. The file is opened for every line, so that somebody
 * may move it away or take its rights at any time; operators' calls are few. A line that a crash has cut off is
 * closed before the next one. One file belongs to one process: two would turn it over under each other.
 */
import { open, rename } from "node:fs/promises";
import { ParlError } from "../core/errors.ts";

const BYTES_MAX = 8 * 2 ** 20;
const FILES_MAX = 5;
/** Nobody else's business: lines name keys. */
const OWNER_ONLY = 0o600;
const LINE_FEED = 0x0a;

export interface AuditLogOptions {
  readonly path: string;
  /** Size beyond which a file is turned over. */
  readonly bytesMax?: number;
  /** Files kept, the one written to included; at least 2. */
  readonly filesMax?: number;
}

export class AuditLog {
  readonly path: string;
  /** Lines written, and lines that could not be. */
  lines = 0;
  failures = 0;

  readonly #bytesMax: number;
  readonly #filesMax: number;
  /** One line after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor({ path, bytesMax = BYTES_MAX, filesMax = FILES_MAX }: AuditLogOptions) {
    this.path = path;
    this.#bytesMax = bytesMax;
    this.#filesMax = filesMax;
  }

  /** @throws ParlError PARL_INVALID_ARGUMENT when the file cannot be appended to */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options);
    try {
      await log.#append("");
    } catch (cause) {
      const message = `audit-log must name a file that can be appended to; ${reason(cause)}`;
      throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "audit-log", cause });
    }
    return log;
  }

  /**
   * Resolves when the entry is on disk.
   * @throws ParlError PARL_UNAVAILABLE when it is not: then what it is about must not be done
   */
  append(entry: Readonly<Record<string, unknown>>): Promise<void> {
    const line = `${JSON.stringify(entry)}\n`;
    const written = this.#writing.then(() => this.#append(line));
    const outcome = written.then(
      () => void (this.lines += 1),
      (cause: unknown) => {
        this.failures += 1;
        const message = `the audit log cannot be written, and nothing is done without: ${reason(cause)}; make room for it or give it back its rights`;
        throw new ParlError("PARL_UNAVAILABLE", message, { field: "audit-log", cause });
      },
    );
    this.#writing = outcome.catch(() => undefined);
    return outcome;
  }

  async #append(line: string): Promise<void> {
    if (line !== "") await this.#turnOver(Buffer.byteLength(line));
    await using file = await open(this.path, "a+", OWNER_ONLY);
    if (line === "") return;
    const { size } = await file.stat();
    const tail = Buffer.alloc(1, LINE_FEED);
    if (size > 0) await file.read(tail, 0, 1, size - 1);
    await file.appendFile(tail[0] === LINE_FEED ? line : `\n${line}`);
    await file.datasync();
  }

  /** Moves every file on by one when the line does not fit the first. */
  async #turnOver(lineBytes: number): Promise<void> {
    await using file = await open(this.path, "a", OWNER_ONLY);
    const { size } = await file.stat();
    if (size === 0 || size + lineBytes <= this.#bytesMax) return;
    for (let age = this.#filesMax - 1; age > 0; age -= 1) {
      await rename(this.#file(age - 1), this.#file(age)).catch(ignoreMissing);
    }
  }

  #file(age: number): string {
    return age === 0 ? this.path : `${this.path}.${age}`;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
