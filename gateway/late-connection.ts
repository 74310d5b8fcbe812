/**
 * A connection that may not be there yet: opened in the background, tried again until it works, a while after
 * each failure. From then on it looks after itself, as NATS connections do.
 *
 * This is what lets a gateway start before the region it serves, and say so in /readyz meanwhile, instead
 * of dying in an order that nobody on a rebooting machine can guarantee.
 */
import { retryDelayMs } from "../client/retry-delay.ts";

export class LateConnection<Connection extends { close(): Promise<void> }> {
  /** Resolves after the first attempt, whichever way it went. */
  readonly tried: Promise<void>;
  readonly #open: () => Promise<Connection>;
  #current: Connection | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #isClosed = false;
  #error: unknown;

  constructor(open: () => Promise<Connection>) {
    this.#open = open;
    this.tried = this.#try();
  }

  /** Undefined until the first success. */
  get current(): Connection | undefined {
    return this.#current;
  }

  /** Why the last attempt failed; undefined once there is a connection. */
  get error(): unknown {
    return this.#error;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#current?.close();
  }

  async #try(): Promise<void> {
    try {
      const connection = await this.#open();
      if (this.#isClosed) await connection.close();
      else this.#current = connection;
      this.#error = undefined;
    } catch (error) {
      this.#error = error;
      if (this.#isClosed) return;
      this.#failures += 1;
      this.#retry = setTimeout(() => void this.#try(), retryDelayMs(this.#failures, Math.random()));
    }
  }
}
