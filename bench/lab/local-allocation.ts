/**
 * A token bucket shared by clients that fetch tokens ahead: a client asks the bucket only when its own are spent, and
 * then for a whole batch.
 *
 *      client 1  ●●●○○   ──┐ spends what it holds, without a round trip
 *      client 2  ●○○○○   ──┼──▶  bucket   takes what it has, up to a batch
 *      client 3  ○○○○○   ──┘              none left: nobody asks again before the next token is there
 *
 * Tokens held are out of the bucket, so together no more are spent than were taken. But a span of time may spend what
 * was taken before it began: at most batch − 1 tokens a client beyond the bucket's envelope. And tokens that one
 * client holds are missing elsewhere.
 *
 * The reply is there at once: what is counted are round trips, not their time. Levels in 1/W of a token, exact.
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";

export type BucketParams = Pick<AlgorithmParams, "limit" | "windowUs"> & { readonly burst: number };

export class LocalAllocation {
  /** How often the bucket was asked. */
  roundTrips = 0;
  /** Tokens that clients hold now. */
  held = 0;

  readonly #params: BucketParams;
  readonly #batch: number;
  readonly #tokensOf: Float64Array;
  /** The bucket is known to be empty until then. */
  readonly #emptyUntilUs: Float64Array;
  #level: number;
  #levelUs = 0;

  constructor(params: BucketParams, clients: number, batch: number) {
    this.#params = params;
    this.#batch = batch;
    this.#tokensOf = new Float64Array(clients);
    this.#emptyUntilUs = new Float64Array(clients);
    this.#level = params.burst * params.windowUs;
  }

  /** Whether `client` may spend a token; moments never decrease. */
  ask(client: number, nowUs: number): boolean {
    if (this.#tokensOf[client] === 0 && nowUs >= this.#emptyUntilUs[client]!) this.#fetch(client, nowUs);
    if (this.#tokensOf[client] === 0) return false;
    this.#tokensOf[client]! -= 1;
    this.held -= 1;
    return true;
  }

  #fetch(client: number, nowUs: number): void {
    const { limit, windowUs, burst } = this.#params;
    this.roundTrips += 1;
    this.#level = Math.min(burst * windowUs, this.#level + (nowUs - this.#levelUs) * limit);
    this.#levelUs = nowUs;
    const granted = Math.min(this.#batch, Math.floor(this.#level / windowUs));
    this.#level -= granted * windowUs;
    this.#tokensOf[client] = granted;
    this.held += granted;
    if (granted === 0) this.#emptyUntilUs[client] = nowUs + Math.ceil((windowUs - this.#level) / limit);
  }
}
