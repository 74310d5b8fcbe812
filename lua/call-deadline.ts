/**
 * One deadline for all calls of a kind, and one timer. Who starts later is due later, so calls wait in a queue and
 * the timer is the oldest one's; a timer for each costs as much as half of all else a call does here.
 *
 *      oldest ──▶ call ──▶ call ──▶ call ──▶ newest
 *        ▲ timer
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
  // Invariant: a timer is running while there is an oldest call.
  #oldest: Call | undefined;
  #newest: Call | undefined;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** What `work` comes to, or PARL_DEADLINE_EXCEEDED; then nobody hears what it comes to. */
  async over<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call = this.#append(reject);
      work.then(
        (value) => {
          call.reject = undefined;
          return resolve(value);
        },
        (error: unknown) => {
          call.reject = undefined;
          return reject(error);
        },
      );
    });
  }

  #append(reject: (error: ParlError) => void): Call {
    const call: Call = { dueMs: performance.now() + this.#deadlineMs, reject, next: undefined };
    if (this.#newest === undefined) {
      this.#oldest = call;
      this.#expireIn(this.#deadlineMs);
    } else {
      this.#newest.next = call;
    }
    this.#newest = call;
    return call;
  }

  #expire(): void {
    const nowMs = performance.now();
    let call = this.#oldest;
    for (; call !== undefined && (call.reject === undefined || call.dueMs <= nowMs); call = call.next) {
      const message = `Redis did not answer within ${this.#deadlineMs} ms: whether it has decided is unknown`;
      call.reject?.(new ParlError("PARL_DEADLINE_EXCEEDED", message));
    }
    this.#oldest = call;
    if (call === undefined) this.#newest = undefined;
    else this.#expireIn(call.dueMs - nowMs);
  }

  #expireIn(ms: number): void {
    // Whoever waits for an answer has a connection that keeps the process; the last timer must not.
    setTimeout(() => this.#expire(), Math.max(1, Math.ceil(ms))).unref();
  }
}
