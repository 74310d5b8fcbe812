/**
 * Answers `parl.observe.region`: asks every process of the region about itself and sums up (region-census.ts).
 *
 * Whichever process gets the question takes the census. It waits until all processes that should be there
 * have answered, but not for one that is slow to death: who is missing is missing in the answer too.
 */
import { createInbox, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { encodeJson } from "../core/wire-json.ts";
import type { MemberObservation } from "./observation.ts";
import { takeCensus } from "./region-census.ts";
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
        if (error === null && message.reply !== undefined) this.#observe(message);
      },
    });
  }

  drain(): Promise<void> {
    return this.#subscription.drain();
  }

  #observe(question: Msg): void {
    const inbox = createInbox();
    const seen: MemberObservation[] = [];
    let isDone = false;
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(patience);
      answers.unsubscribe();
      if (seen.length > 0) question.respond(encodeJson(takeCensus(seen)));
    };
    const patience = setTimeout(finish, PATIENCE_MS);
    const answers = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null || message.data.length === 0) return;
        seen.push(message.json<MemberObservation>());
        if (seen.length >= this.#membersExpected()) finish();
      },
    });
    this.#connection.publish(CENSUS_SUBJECT, "", { reply: inbox });
  }
}
