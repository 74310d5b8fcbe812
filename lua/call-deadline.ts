/**
 * One deadline for all calls of a kind, and one timer. Who starts later is due later, so calls wait in a queue and
 * the timer is the oldest one's; a timer for each costs as much as half of all else a call does here.
 *
 *      oldest ──▶ call ──▶ call ──▶ call ──▶ newest
 *        ▲ timer
 *
 * Calls that are over leave the queue from its front as soon as they can: what stays for the length of a deadline
 * outlives the young generation, and its collection stops everything for tens of milliseconds.
 */
import { ParlError } from "../core/errors.ts";

interface Call {
  readonly dueMs: number;
  /** Undefined once it is over. */
  reject: ((error: ParlError) => void) | undefined;
  next: Call | undefined;
}

export class CallDeadline {
  readonly #deadlineMs: number;
  // Invariant: the oldest call is not over, and a timer is running while there is one.
  #oldest: Call | undefined;
  #newest: Call | undefined;
  #isTimerRunning = false;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** What `work` comes to, or PARL_DEADLINE_EXCEEDED; then nobody hears what it comes to. */
  async over<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call = this.#append(reject);
      work.then(
        (value) => {
          this.#end(call);
          return resolve(value);
        },
        (error: unknown) => {
          this.#end(call);
          return reject(error);
        },
      );
    });
  }

  #append(reject: (error: ParlError) => void): Call {
    const call: Call = { dueMs: performance.now() + this.#deadlineMs, reject, next: undefined };
    if (this.#newest === undefined) this.#oldest = call;
    else this.#newest.next = call;
    this.#newest = call;
    if (!this.#isTimerRunning) this.#expireIn(this.#deadlineMs);
    return call;
  }

  #end(ended: Call): void {
    ended.reject = undefined;
    for (let call = this.#oldest; call !== undefined && call.reject === undefined; call = this.#oldest) {
      this.#oldest = call.next;
      // One that has grown old and dead must not keep all those after it.
      call.next = undefined;
    }
    if (this.#oldest === undefined) this.#newest = undefined;
  }

  #expire(): void {
    this.#isTimerRunning = false;
    const nowMs = performance.now();
    for (let call = this.#oldest; call !== undefined && call.dueMs <= nowMs; call = this.#oldest) {
      const message = `Redis did not answer within ${this.#deadlineMs} ms: whether it has decided is unknown`;
      call.reject?.(new ParlError("PARL_DEADLINE_EXCEEDED", message));
      this.#end(call);
    }
    if (this.#oldest !== undefined) this.#expireIn(this.#oldest.dueMs - nowMs);
  }

  #expireIn(ms: number): void {
    this.#isTimerRunning = true;
    // Whoever waits for an answer has a connection that keeps the process; the last timer must not.
    setTimeout(() => this.#expire(), Math.max(1, Math.ceil(ms))).unref();
  }
}
