/**
 * A process of our own: started, awaited, signalled by its own id and seen off. It ends with this one at the
 * latest.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ParlError } from "../../core/errors.ts";
import { spawnOnLifeline } from "../../deploy/lifeline.ts";
import type { Ended } from "./hygiene-check.ts";

export interface Program {
  readonly title: string;
  readonly path: string;
  readonly args: readonly string[];
  /** A line of its output that means it works. */
  readonly ready: RegExp;
}

const READY_WITHIN_MS = 30_000;
/** Longer than an actor's own patience with whoever is to take its shards. */
const LEAVE_WITHIN_MS = 25_000;
const LINES_KEPT = 200;

export class Child {
  readonly title: string;
  readonly stderr: string[] = [];
  readonly #process: ChildProcess;
  /** Exit code or signal, once it has ended and its last words are in. */
  readonly #ended: Promise<number | string>;
  readonly #words: string[] = [];
  #how: number | string = "running";
  #wanted: readonly (number | string)[] = [0];
  #isReady = Promise.withResolvers<boolean>();

  constructor({ title, path, args, ready }: Program) {
    this.title = title;
    // A group of its own: a Ctrl-C at the terminal is ours to pass on.
    this.#process = spawnOnLifeline(path, args, { detached: true });
    const { stdout, stderr } = this.#process;
    for (const [input, lines] of [
      [stdout, undefined],
      [stderr, this.stderr],
    ] as const) {
      if (input === null) continue;
      createInterface({ input }).on("line", (line) => {
        this.#words.push(line);
        if (this.#words.length > LINES_KEPT) this.#words.shift();
        if (lines !== undefined && lines.length < LINES_KEPT) lines.push(line);
        if (ready.test(line)) this.#isReady.resolve(true);
      });
    }
    const killAtExit = (): void => void this.#process.kill("SIGKILL");
    process.once("exit", killAtExit);
    this.#ended = this.#follow(killAtExit);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#how === "running";
  }

  get lastWords(): string {
    return this.#words.slice(-3).join(" / ");
  }

  /** @throws ParlError PARL_UNAVAILABLE with its last words when it ends first, or takes too long */
  async ready(): Promise<void> {
    const timer = setTimeout(() => this.#isReady.resolve(false), READY_WITHIN_MS);
    const isReady = await this.#isReady.promise;
    clearTimeout(timer);
    if (isReady) return;
    throw new ParlError("PARL_UNAVAILABLE", `${this.title} did not start: ${this.lastWords}`);
  }

  /** It is about to end, and not with 0. */
  expect(...wanted: readonly (number | string)[]): void {
    this.#wanted = wanted;
  }

  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }

  /** As a power cut does: no goodbye. */
  async kill(): Promise<void> {
    this.expect("SIGKILL");
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to leave, and resolves when it has; by force when it does not. @returns how it ended */
  async stop(): Promise<number | string> {
    if (!this.isRunning) return this.#how;
    this.thaw();
    this.#process.kill("SIGTERM");
    const force = setTimeout(() => this.#process.kill("SIGKILL"), LEAVE_WITHIN_MS);
    const how = await this.#ended;
    clearTimeout(force);
    return how;
  }

  /** Resolves when it has ended by itself. */
  ended(): Promise<number | string> {
    return this.#ended;
  }

  report(): Ended {
    return { title: this.title, how: this.#how, wanted: this.#wanted, stderr: this.stderr };
  }

  async #follow(killAtExit: () => void): Promise<number | string> {
    const closed = once(this.#process, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    // What could not be spawned has no exit to wait for.
    const [code, signal] = await closed.catch((error: Error) => [error.message, null] as const);
    process.off("exit", killAtExit);
    this.#how = signal ?? code ?? "unknown";
    this.#isReady.resolve(false);
    return this.#how;
  }
}
