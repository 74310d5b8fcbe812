/**
 * A tenant that asks so many single checks a second by the clock, whatever has been answered (open loop): a
 * check's latency counts from the moment it was due, so that a service that stalls does not slow its measure
 * down. Timers are up to a millisecond late, and that counts too. What is refused, or unanswered after the
 * deadline, is counted and has no latency.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import { connectParl, type ParlClient } from "../client/parl-client.ts";
import { ParlError } from "../core/errors.ts";
import { keysOfShard } from "./shard-keys.ts";

const KEYS = 64;
/** Long, so that a late answer is measured rather than given up. */
const DEADLINE_MS = 5_000;

export interface Felt {
  readonly latenciesUs: readonly number[];
  readonly refused: number;
}

export class PacedCaller implements AsyncDisposable {
  readonly #parl: ParlClient;
  readonly #tenant: string;
  readonly #keys: readonly string[];

  private constructor(parl: ParlClient, tenant: string, keys: readonly string[]) {
    this.#parl = parl;
    this.#tenant = tenant;
    this.#keys = keys;
  }

  /** @throws ParlError PARL_UNAVAILABLE when no server answers at `url` */
  static async connect(url: string, tenant: string, shard: number): Promise<PacedCaller> {
    const regions = [{ name: "bench", servers: [url] }];
    const parl = await connectParl({ regions, deadlineMs: DEADLINE_MS, checksPerMessageMax: 1 });
    return new PacedCaller(parl, tenant, keysOfShard(tenant, shard, KEYS));
  }

  /** Asks `rate` times a second for `durationMs`, and waits for all answers. */
  async ask(rate: number, durationMs: number): Promise<Felt> {
    const latenciesUs: number[] = [];
    let refused = 0;
    const askOnce = async (number: number, dueMs: number): Promise<void> => {
      try {
        await this.#parl.check({ tenant: this.#tenant, key: this.#keys[number % KEYS] as string });
        latenciesUs.push((performance.now() - dueMs) * 1_000);
      } catch (error) {
        if (!(error instanceof ParlError)) throw error;
        refused += 1;
      }
    };
    const asked: Promise<void>[] = [];
    const checks = Math.ceil((rate * durationMs) / 1_000);
    const startedMs = performance.now();
    while (asked.length < checks) {
      const dueMs = startedMs + (1_000 * asked.length) / rate;
      const waitMs = dueMs - performance.now();
      // Timers fire up to a millisecond early: what is left is waited for turn by turn.
      if (waitMs > 1) await setTimeout(waitMs);
      while (performance.now() < dueMs) await setImmediate();
      asked.push(askOnce(asked.length, dueMs));
    }
    await Promise.all(asked);
    return { latenciesUs, refused };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parl.close();
  }
}
