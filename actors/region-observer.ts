/**
 * Answers `parl.observe.region`: asks every process of the region about itself and sums up (region-census.ts).
 *
 * Whichever process gets the question takes the census. It waits until all processes that should be there
 * have answered, but not for one that is slow to death: who is missing is missing in the answer too.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { encodeJson } from "../core/wire-json.ts";
import type { MemberObservation } from "./observation.ts";
import { takeCensus } from "./region-census.ts";
import { callRoll } from "./roll-call.ts";
import { CENSUS_SUBJECT, REGION_SUBJECT } from "./subjects.ts";

const QUEUE_GROUP = "parl-census";
/** A process that takes longer has its hands full; the asker's patience is a few times that. */
const PATIENCE_MS = 200;

export class RegionObserver {
  readonly #connection: NatsConnection;
  readonly #membersExpected: () => number;
  readonly #subscription: Subscription;

  /** @param membersExpected how many processes the region has, as far as is known here */
  constructor(connection: NatsConnection, membersExpected: () => number) {
    this.#connection = connection;
    this.#membersExpected = membersExpected;
    this.#subscription = connection.subscribe(REGION_SUBJECT, {
      queue: QUEUE_GROUP,
      callback: (error, message) => {
        if (error === null && message.reply !== undefined) void this.#observe(message);
      },
    });
  }

  drain(): Promise<void> {
    return this.#subscription.drain();
  }

  async #observe(question: Msg): Promise<void> {
    const expected = this.#membersExpected();
    const roll = { subject: CENSUS_SUBJECT, expected, patienceMs: PATIENCE_MS };
    const seen = await callRoll<MemberObservation>(this.#connection, roll).catch(() => []);
    try {
      if (seen.length > 0) question.respond(encodeJson(takeCensus(seen)));
    } catch {
      // Leaving, or more than one message carries: the asker hears nothing.
    }
  }
}
