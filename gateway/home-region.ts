/**
 * The gateway's own line to its region, for questions: what is the state of a key, a policy, a shard, the
 * region? Checks do not come this way, they go through the SDK; looking changes nothing and may be repeated.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { RegionObservation } from "../actors/region-census.ts";
import { connectRegion, type RegionAddress } from "../client/connect-region.ts";
import { ParlError } from "../core/errors.ts";
import { encodeJson, errorFrom } from "../core/wire-json.ts";
import { LateConnection } from "./late-connection.ts";

/**
 * A part of the deadline. The rest must be enough for a census that waits for a silent process (200 ms), while
 * one of which all are well takes some milliseconds.
 */
const ASK_AGAIN_AFTER = 1 / 4;

export class HomeRegion {
  readonly address: RegionAddress;
  readonly #deadlineMs: number;
  readonly #line: LateConnection<NatsConnection>;
  #isCut = false;
  #isEnding = false;
  /** The observation under way, shared by everybody who asks meanwhile. */
  #observing: Promise<RegionObservation> | undefined;

  constructor(address: RegionAddress, deadlineMs: number) {
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#line = new LateConnection(() => this.#connect());
  }

  get tried(): Promise<void> {
    return this.#line.tried;
  }

  get isConnected(): boolean {
    return this.#line.current !== undefined && !this.#isCut;
  }

  /** The NATS server that has said it will soon be gone, while we are still connected to it. */
  get endingServer(): string | undefined {
    return this.isConnected && this.#isEnding ? this.#line.current?.getServer() : undefined;
  }

  /**
   * Settles within the deadline.
   * @throws ParlError
   */
  observeRegion(): Promise<RegionObservation> {
    this.#observing ??= this.#observeTwice().finally(
      () => (this.#observing = undefined),
    ) as Promise<RegionObservation>;
    return this.#observing;
  }

  /** Any process may get the question, also one that hangs; the server gives the next to whom it likes. */
  async #observeTwice(): Promise<unknown> {
    const againMs = this.#deadlineMs * ASK_AGAIN_AFTER;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), againMs);
    const first = this.observe("region");
    try {
      const early = await Promise.race([first, late]);
      if (early !== undefined) return early;
      return await Promise.any([first, this.observe("region", {}, this.#deadlineMs - againMs)]).catch(
        () => first,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Asks on `parl.observe.<what>`.
   * @throws ParlError PARL_UNAVAILABLE, PARL_DEADLINE_EXCEEDED, or what the actor refused it with
   */
  async observe(what: string, question: unknown = {}, timeout = this.#deadlineMs): Promise<unknown> {
    const { name, servers } = this.address;
    if (!this.isConnected) {
      throw unavailable(`no NATS server of region ${name} answers at ${servers.join(", ")}`);
    }
    const line = this.#line.current as NatsConnection;
    let reply: unknown;
    try {
      const message = await line.request(`parl.observe.${what}`, encodeJson(question), { timeout });
      reply = message.json();
    } catch (cause) {
      throw this.#unanswered(cause);
    }
    const error = errorFrom(reply);
    if (error !== undefined) throw error;
    return reply;
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  async #connect(): Promise<NatsConnection> {
    const connection = await connectRegion(this.address);
    void this.#follow(connection);
    return connection;
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "disconnect") this.#isCut = true;
      else if (type === "reconnect") this.#isCut = this.#isEnding = false;
      else if (type === "ldm") this.#isEnding = true;
    }
  }

  #unanswered(cause: unknown): ParlError {
    const { name } = this.address;
    if (cause instanceof Error && cause.name === "TimeoutError") {
      const message = `the actor of region ${name} did not answer within ${this.#deadlineMs} ms`;
      return new ParlError("PARL_DEADLINE_EXCEEDED", message, { cause });
    }
    return unavailable(`no actor answers in region ${name}`, cause);
  }
}

function unavailable(what: string, cause?: unknown): ParlError {
  return new ParlError("PARL_UNAVAILABLE", `${what}; is it running (npm start)?`, { cause });
}
