/**
 * One key in Redis, asked by clients that fetch units ahead: local-allocation.ts with a real round trip. A client has
 * one fetch under way at most; what it is asked meanwhile waits for it, in order.
 *
 *      events ──▶ client's queue ──▶ held units: allowed at once
 *                                    none held:  check(key, batch), or what is left of it ──▶ Redis
 *                                    none left:  denied, unasked, until the next unit is there
 */
import { setImmediate } from "node:timers/promises";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { Prng } from "../../core/prng.ts";
import { micros } from "../../core/units.ts";
import type { RedisLimiter } from "../../lua/redis-limiter.ts";
import type { Decider, VerdictSink } from "../backend.ts";
import type { EventColumns } from "../events.ts";

const KEY = "hot";

interface Client {
  held: number;
  /** The key is known to have nothing until then. */
  emptyUntilUs: number;
  isFetching: boolean;
  waiting: number[];
}

export interface Ahead {
  readonly limiter: RedisLimiter;
  /** A bucket's, whose capacity is no less than a batch. */
  readonly params: AlgorithmParams;
  readonly clients: number;
  /** Units fetched at once. */
  readonly batch: number;
  readonly seed: number;
}

export class AheadBackend implements Decider {
  roundTrips = 0;
  readonly #events: EventColumns;
  readonly #ahead: Ahead;
  readonly #clients: readonly Client[];
  /** By event, drawn. */
  readonly #clientOf: Uint8Array;
  #failure: unknown;

  constructor(events: EventColumns, ahead: Ahead) {
    this.#events = events;
    this.#ahead = ahead;
    const { clients, seed } = ahead;
    this.#clients = Array.from({ length: clients }, () => ({
      held: 0,
      emptyUntilUs: 0,
      isFetching: false,
      waiting: [],
    }));
    const prng = new Prng(seed);
    this.#clientOf = Uint8Array.from({ length: events.count }, () => prng.below(clients));
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    for (let index = from; index < to; index += 1) {
      const client = this.#clients[this.#clientOf[index]!]!;
      client.waiting.push(index);
      if (!client.isFetching) this.#serve(client, sink);
    }
  }

  async turn(): Promise<void> {
    await setImmediate();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Answers what waits, until it would have to fetch. */
  #serve(client: Client, sink: VerdictSink): void {
    const { waiting } = client;
    client.waiting = [];
    for (const [place, index] of waiting.entries()) {
      const atUs = this.#events.atUs[index]!;
      if (client.held === 0 && atUs >= client.emptyUntilUs) {
        client.waiting = waiting.slice(place);
        void this.#fetch(client, atUs, sink);
        return;
      }
      const isAllowed = client.held > 0;
      if (isAllowed) client.held -= 1;
      sink.decided(index, isAllowed);
    }
  }

  async #fetch(client: Client, nowUs: number, sink: VerdictSink): Promise<void> {
    client.isFetching = true;
    try {
      const { batch, params } = this.#ahead;
      const whole = await this.#take(batch, nowUs);
      if (whole.outcome === "allowed") client.held = batch;
      // Somebody else may have taken the rest meanwhile: then there is nothing, which is as true.
      else if (whole.remaining > 0 && (await this.#take(whole.remaining, nowUs)).outcome === "allowed")
        client.held = whole.remaining;
      if (client.held === 0) {
        const afterFirstUs = ((batch - 1) * params.windowUs) / params.limit;
        client.emptyUntilUs = nowUs + Math.max(1, Math.ceil(whole.retryAfterUs - afterFirstUs));
      }
    } catch (failure) {
      this.#failure ??= failure;
      return;
    }
    client.isFetching = false;
    this.#serve(client, sink);
  }

  #take(units: number, nowUs: number) {
    this.roundTrips += 1;
    return this.#ahead.limiter.check(KEY, units, micros(nowUs));
  }
}
