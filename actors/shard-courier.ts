/**
 * Hands shards over between the processes of a region: carries out what the transfer machines wish for
 * (handoff/handoffs.ts), over NATS, on the shard host and in the lease store.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { StatePageReader } from "../algorithms/state-page-reader.ts";
import type { Clock } from "../core/clock.ts";
import { ParlError } from "../core/errors.ts";
import { micros, type Micros } from "../core/units.ts";
import { encodeJson, errorBody } from "../core/wire-json.ts";
import { Handoffs } from "./handoff/handoffs.ts";
import type { Member } from "./handoff/member.ts";
import type { HandoffEnded, HandoffOutbox, LeavingShard, StagedShard } from "./handoff/transfer.ts";
import { natsOutbox } from "./nats-host.ts";
import type { LeaseStore } from "./placement/lease-store.ts";
import type { BucketEntry } from "./placement/placement-event.ts";
import { encodeRecord, ownerKey, parseKey, parseMember, parseOwner } from "./placement/records.ts";
import type { ShardHost } from "./shard-host.ts";
import { travellingKeys } from "./travelling-keys.ts";

export interface ShardCourierOptions {
  readonly self: Member;
  readonly connection: NatsConnection;
  readonly clock: Clock;
  readonly host: ShardHost;
  readonly leases: LeaseStore;
  /** Random whole numbers of up to 53 bits. */
  readonly draw: () => number;
  /** Epoch of a shard that is open here. */
  readonly epochOf: (shard: number) => number | undefined;
  /** The shard's state has arrived and it decides, under a new epoch. */
  readonly adopted: (shard: number, epoch: number) => void;
  /** The shard has gone: nothing of it is ours any more. */
  readonly released: (shard: number) => void;
  /** The shard is frozen and its owner about to be set to somebody else. */
  readonly giving: (shard: number) => void;
  readonly ended: (ended: HandoffEnded) => void;
  /** A message of another process's was refused. */
  readonly refused: (error: ParlError) => void;
}

export class ShardCourier {
  readonly handoffs: Handoffs;
  readonly #options: ShardCourierOptions;
  readonly #subscription: Subscription;

  constructor(options: ShardCourierOptions) {
    this.#options = options;
    const { self, connection, clock, draw, refused } = options;
    this.handoffs = new Handoffs({
      self,
      outbox: this.#outbox(),
      draw,
      leaving: (shard) => this.#leaving(shard),
      staging: (shard) => this.#staging(shard),
      refused,
    });
    this.#subscription = connection.subscribe(handoffSubject(self.id), {
      callback: (error, message) => {
        if (error === null) this.handoffs.receive(message.data, clock.monotonicUs());
      },
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  /** Transfers under way want to know who owns what, and who is gone; so does whoever lends to them. */
  observed({ key, revision, value }: BucketEntry, shards: number): void {
    const about = parseKey(key, shards);
    if (about === undefined || value === undefined) return;
    const { clock, host } = this.#options;
    try {
      if (about.kind === "owner") {
        const { member, incarnation, how } = parseOwner(value);
        // It matters only whether the record was written by a transfer.
        const written = how === "handed-over" ? how : "recovered";
        const owner = { id: member, incarnation, epoch: revision, how: written } as const;
        this.handoffs.ownerSeen(about.shard, owner, clock.monotonicUs());
      } else if (about.kind === "member") {
        const { incarnation, state } = parseMember(value);
        if (state !== "dead") return;
        this.handoffs.peerGone({ id: about.id, incarnation }, clock.monotonicUs());
        host.post({ kind: "member-dead", member: about.id, incarnation });
      }
    } catch (error) {
      // Placement counts it.
      if (!(error instanceof ParlError)) throw error;
    }
  }

  #leaving(shard: number): LeavingShard | undefined {
    const { clock, host, epochOf } = this.#options;
    const { admission, owned } = host.actor;
    const epoch = epochOf(shard);
    const keys = admission.table.keys(shard);
    if (epoch === undefined || keys === undefined) return undefined;
    const wallUs = (): Micros => clock.wallUs();
    const closing = () => ({
      nowUs: wallUs(),
      loans: owned.loans(shard),
      answeredIds: owned.answeredIds(shard),
    });
    return { table: travellingKeys(keys, wallUs), epoch, closing };
  }

  #staging(shard: number): StagedShard {
    const { host } = this.#options;
    const reader = new StatePageReader();
    return {
      adopt(page) {
        // Refused here, before it is the actor's.
        reader.open(page);
        host.post({ kind: "shard-page", shard, page, isJustWritten: true });
      },
      discard: () => host.post({ kind: "shard-closed", shard }),
    };
  }

  #outbox(): HandoffOutbox {
    const { connection, clock, host, adopted, released, refused, ended } = this.#options;
    const outbox = natsOutbox(connection);
    return {
      send: ({ id }, message) => outbox.send(handoffSubject(id), message, ""),
      freeze: (shard, transfer) => {
        host.whenQuiet(shard, () => {
          // Other shards' checks and the public subjects must not charge it either.
          host.actor.owned.freeze(shard);
          this.handoffs.frozen(transfer, clock.monotonicUs());
        });
      },
      unfreeze: (shard) => {
        host.forget(shard);
        host.actor.owned.thaw(shard);
      },
      casOwner: (shard, transfer, to, expectedEpoch) =>
        void this.#casOwner(shard, transfer, to, expectedEpoch),
      release: (shard) => released(shard),
      subscribe: (shard, transfer) => {
        host.subscribe(shard);
        const subscribed = (): void => this.handoffs.subscribed(transfer, clock.monotonicUs());
        connection.flush().then(subscribed, () => undefined);
      },
      unsubscribe: (shard) => host.unsubscribe(shard),
      adopt: (shard, { epoch, answeredIds, loans }) => {
        host.post({ kind: "shard-opened", shard, epoch, isJournalled: true, answeredIds, loans });
        adopted(shard, epoch);
      },
      replay: (_shard, message) => host.replay(message),
      refuse: (_shard, { replyTo }, error) => {
        if (replyTo !== "") outbox.reply(replyTo, encodeJson(errorBody(error)));
      },
      refused,
      ended,
    };
  }

  async #casOwner(shard: number, transfer: number, to: Member, expectedEpoch: number): Promise<void> {
    const { clock, leases, giving } = this.#options;
    const value = encodeRecord({
      member: to.id,
      incarnation: to.incarnation,
      sinceUs: clock.wallUs(),
      how: "handed-over",
    });
    const answered = leases.cas(ownerKey(shard), value, expectedEpoch);
    // Clients wait: the write leaves first. Nothing can be heard of it before this turn is over.
    queueMicrotask(() => giving(shard));
    const { outcome, revision } = await answered;
    const answer = outcome === "ok" ? { outcome, epoch: revision } : { outcome };
    this.handoffs.casAnswered(transfer, answer, micros(clock.monotonicUs()));
  }
}

function handoffSubject(member: string): string {
  return `parl.member.${member}.handoff`;
}
