/**
 * One process as a member of its region: holds its lease, opens and closes shards as placement says, has them
 * handed over, keeps their journals, and lets nothing out while it may not answer.
 *
 *      KV bucket ◀──▶ Placement ── open, close, fence ──▶ ┌───────────┐
 *      members   ◀──▶ ShardCourier ─ pages, adopt ──────▶ │ ShardHost │ ◀── parl.shard.<p>.>
 *      JetStream ◀──▶ ShardJournals ─ pages, opened ────▶ └───────────┘ ──▶ replies
 *
 * All decisions are made by those machines; this is their shell. After a crash of the actor a member is of no
 * more use (`abandon`): another one, under another incarnation, takes the shards up from the journal as any
 * other process would.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { ClusterSecret } from "../admission/admission.ts";
import { horizonUs } from "../admission/durability.ts";
import type { Clock } from "../core/clock.ts";
import { parsedSecret } from "./cluster-secret.ts";
import { HandoffTally } from "./handoff/handoff-tally.ts";
import { Misunderstandings } from "./handoff/misunderstandings.ts";
import type { HandoffEnded } from "./handoff/transfer.ts";
import { quiet, type Underway } from "./hush.ts";
import type { JournalStore } from "./journal/journal-store.ts";
import { ShardJournals, type JournalHost } from "./journal/shard-journals.ts";
import type { LeaseStore } from "./placement/lease-store.ts";
import { Placement, type PlacementOptions } from "./placement/placement.ts";
import type { Holder, OpenHow, PlacementEvent, PlacementOutbox } from "./placement/placement-event.ts";
import { ShardCourier } from "./shard-courier.ts";
import type { ShardHost } from "./shard-host.ts";

const TICK_MS = 50;
/** Handoffs and journals have shorter steps. */
const SHORT_TICK_MS = 5;

export interface RegionMemberOptions {
  readonly placement: PlacementOptions;
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** The system's wall clock as it is, in microseconds: it moves while the machine is suspended. */
  readonly systemUs: () => number;
  readonly leases: LeaseStore;
  readonly journals: JournalStore;
  /** Makes the actor side, once the region's secret is known. */
  readonly createHost: (secret: ClusterSecret, member: RegionMember) => ShardHost;
  /** For whoever reads the log. */
  readonly say: (words: string) => void;
}

export class RegionMember {
  /** Resolves when this process holds a lease and has what it is to have; rejects when it may not join. */
  readonly ready: Promise<void>;
  /** Resolves when everything is handed over or let go. */
  readonly left: Promise<void>;

  readonly #options: RegionMemberOptions;
  readonly #placement: Placement;
  readonly #journals: ShardJournals;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #ready = Promise.withResolvers<void>();
  readonly #left = Promise.withResolvers<void>();
  readonly #handoffTally = new HandoffTally();
  readonly #misunderstandings = new Misunderstandings((words) => this.#options.say(words));
  readonly #queue: PlacementEvent[] = [];
  #isStepping = false;
  #host: ShardHost | undefined;
  #courier: ShardCourier | undefined;
  #isFenced = true;
  #isLeaving = false;
  #isGivingBack = false;
  #membersCounted = 0;
  /** Shards to be asked for. */
  readonly #asks: { readonly shard: number; readonly from: Holder }[] = [];
  #isOver = false;

  constructor(options: RegionMemberOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    this.left = this.#left.promise;
    this.ready.catch(() => undefined);
    this.#placement = new Placement(options.placement);
    this.#journals = new ShardJournals(options.journals, options.clock, this.#journalHost());
  }

  /** Begins to take part. */
  start(): void {
    this.#options.leases.watch((event) => this.#observed(event));
    this.#timers.push(setInterval(() => this.#step({ kind: "tick" }), TICK_MS));
    this.#timers.push(setInterval(() => this.#shortTick(), SHORT_TICK_MS));
  }

  /** Undefined until the region's secret is known. */
  get host(): ShardHost | undefined {
    return this.#host;
  }

  /** Processes of the region that are about, this one included. */
  get membersAlive(): number {
    return [...this.#placement.members().values()].filter(({ state }) => state !== "dead").length;
  }

  /** What was counted of its shards' lives. */
  get tallies() {
    const { writes, openings } = this.#journals;
    return { writes, openings, handoffs: this.#handoffTally, badRecords: this.#placement.badRecords };
  }

  /** Whether anything may be decided at this moment. */
  mayAnswer(): boolean {
    const { clock, systemUs } = this.#options;
    return !this.#isOver && this.#placement.isValid(clock.monotonicUs(), systemUs());
  }

  /** How much longer nobody else can become the owner of what is open here. */
  leaseLeftUs(): number {
    const { clock, systemUs } = this.#options;
    return this.#isOver ? 0 : this.#placement.leaseLeftUs(clock.monotonicUs(), systemUs());
  }

  /** Who this process is to the others, until it is declared dead. */
  get self(): Holder {
    return this.#placement.self;
  }

  /** What a change of servers must wait for; undefined while there is nothing. */
  get underway(): Underway | undefined {
    const handoffs = this.#courier?.handoffs;
    return this.#host === undefined || handoffs === undefined ? undefined : { host: this.#host, handoffs };
  }

  /** Resolves when no answer of the lease store or the journal is awaited, or one is late. */
  written(): Promise<void> {
    return quiet(() => !this.#options.leases.isWriting && !this.#journals.isWriting);
  }

  /** Where a message that came by a shard's subscription belongs. */
  route(shard: number, message: Parameters<ShardCourier["handoffs"]["offer"]>[1], weight: number) {
    return this.#courier?.handoffs.offer(shard, message, weight) ?? "decide";
  }

  policiesChanged(): void {
    this.#journals.policiesChanged();
  }

  /** Hands everything over and goes; `left` tells when. */
  leave(): void {
    this.#isLeaving = true;
    // Without a lease there is nothing to hand over: others take it, or have taken it.
    if (this.#isFenced) this.#left.resolve();
    this.#step({ kind: "leave" });
    // Nor is it to be asked for what has waited for its turn.
    for (const { shard } of this.#asks.splice(0)) {
      this.#step({ kind: "handoff-ended", shard, outcome: "aborted", revision: 0 });
    }
    this.#courier?.handoffs.withdraw(this.#options.clock.monotonicUs());
  }

  /** Ends at once, without a goodbye: what was held is taken over from the journal. */
  abandon(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#journals.dropAll();
    this.#courier?.close();
    this.#host?.cut();
    this.#options.leases.unwatch();
  }

  #observed(event: PlacementEvent): void {
    if (event.kind === "entry") this.#courier?.observed(event, this.#options.placement.shards);
    this.#step(event);
  }

  /** Steps follow one another: what a wish brings about waits for the wishes before it. */
  #step(event: PlacementEvent): void {
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { clock, systemUs } = this.#options;
      const wishes: (() => void)[] = [];
      this.#placement.step(next, clock.monotonicUs(), systemUs(), this.#wishes(wishes));
      for (const wish of wishes) wish();
    }
    this.#isStepping = false;
    this.#countMembers();
    this.#settleReady();
  }

  #countMembers(): void {
    const count = this.membersAlive;
    if (count === this.#membersCounted || this.#host === undefined) return;
    this.#membersCounted = count;
    this.#host.post({ kind: "members-changed", count });
  }

  #wishes(wishes: (() => void)[]): PlacementOutbox {
    return {
      cas: (key, value, expected, id) => wishes.push(() => void this.#cas(key, value, expected, id)),
      open: (shard, epoch, how, previous) => wishes.push(() => this.#open(shard, epoch, how, previous)),
      close: (shard) => wishes.push(() => this.#close(shard)),
      snapshot: (shard) => wishes.push(() => this.#snapshot(shard)),
      giveBack: () => wishes.push(() => this.#giveBack()),
      fence: () => wishes.push(() => this.#fence()),
      unfence: () => wishes.push(() => this.#unfence()),
      lost: () => wishes.push(() => this.#lost()),
      askHandoff: (shard, from) => wishes.push(() => this.#ask(shard, from)),
      refused: (error) => wishes.push(() => this.#ready.reject(error)),
      left: () => wishes.push(() => this.#left.resolve()),
    };
  }

  async #cas(key: string, value: string, expected: number, id: number): Promise<void> {
    const { outcome, revision } = await this.#options.leases.cas(key, value, expected);
    this.#step({ kind: "cas-answer", key, id, outcome, revision });
  }

  #open(shard: number, epoch: number, how: OpenHow, previous: Holder | undefined): void {
    const host = this.#ensureHost();
    if (how === "keep") {
      host.post({ kind: "shard-opened", shard, epoch, isJournalled: true });
      void this.#journals.resume(shard, epoch);
      return;
    }
    this.#journals.recover({ shard, epoch, hadOwner: how === "recover" || previous !== undefined });
  }

  #close(shard: number): void {
    // One that is on its way out is closed by its transfer.
    if (this.#courier?.handoffs.isMoving(shard) === true) return;
    this.#drop(shard);
  }

  #drop(shard: number): void {
    this.#journals.drop(shard);
    this.#host?.forget(shard);
    this.#host?.unsubscribe(shard);
    this.#host?.post({ kind: "shard-closed", shard });
  }

  #snapshot(shard: number): void {
    const host = this.#ensureHost();
    host.unsubscribe(shard);
    host.whenQuiet(shard, () => {
      host.actor.owned.leave(shard, this.#options.clock.wallUs());
      this.#journals.close(shard);
    });
  }

  #giveBack(): void {
    this.#isGivingBack = true;
    this.#host?.post({ kind: "shards-gone" });
  }

  #tellGivenBack(): void {
    if (!this.#isGivingBack || this.#host?.actor.admission.lending?.balances.isEmpty === false) return;
    this.#isGivingBack = false;
    this.#step({ kind: "given-back" });
  }

  #fence(): void {
    this.#isFenced = true;
    if (this.#isLeaving) this.#left.resolve();
    this.#courier?.handoffs.fenced(this.#options.clock.monotonicUs());
  }

  #unfence(): void {
    this.#isFenced = false;
    this.#ensureHost().post({ kind: "lease-lapsed" });
    this.#courier?.handoffs.unfenced(this.#options.clock.monotonicUs());
  }

  /** Another incarnation begins, with nothing of this one: not even the secret need be the same. */
  #lost(): void {
    const { clock, placement, say } = this.#options;
    say(`${placement.id} was declared dead and starts over`);
    this.#courier?.handoffs.lost(clock.monotonicUs());
    this.#courier?.close();
    this.#courier = undefined;
    this.#journals.dropAll();
    this.#asks.length = 0;
    this.#host?.cut();
    this.#host = undefined;
    this.#membersCounted = 0;
  }

  #ask(shard: number, from: Holder): void {
    this.#asks.push({ shard, from });
    this.#tryAsks();
  }

  /** Asks for as many shards as there is room for; a transfer makes room only after it has told of its end. */
  #tryAsks(): void {
    while (this.#asks.length > 0 && this.#courier?.handoffs.hasRoomIn !== false) {
      const { shard, from } = this.#asks.shift() as { shard: number; from: Holder };
      const epoch = this.#placement.ownerOf(shard)?.epoch ?? 0;
      const peer = { id: from.member, incarnation: from.incarnation };
      const nowUs = this.#options.clock.monotonicUs();
      if (this.#courier?.handoffs.ask(shard, peer, epoch, nowUs) === true) continue;
      this.#step({ kind: "handoff-ended", shard, outcome: "aborted", revision: 0 });
    }
  }

  #ensureHost(): ShardHost {
    if (this.#host !== undefined) return this.#host;
    const secret = this.#placement.cluster?.secret ?? this.#options.placement.secret;
    this.#host = this.#options.createHost(parsedSecret(secret), this);
    this.#courier = this.#newCourier(this.#host);
    this.#host.start();
    return this.#host;
  }

  #newCourier(host: ShardHost): ShardCourier {
    const { connection, clock, leases, placement } = this.#options;
    const { member, incarnation } = this.#placement.self;
    return new ShardCourier({
      self: { id: member, incarnation },
      connection,
      clock,
      host,
      leases,
      draw: placement.newIncarnation,
      epochOf: (shard) => this.#placement.givableEpoch(shard),
      adopted: (shard, epoch) => void this.#journals.resume(shard, epoch),
      released: (shard) => this.#drop(shard),
      giving: (shard) => this.#step({ kind: "give-started", shard }),
      ended: (ended) => this.#handoffEnded(ended),
      refused: (error) => {
        this.#handoffTally.refused += 1;
        this.#misunderstandings.heard(error);
      },
    });
  }

  #handoffEnded(ended: HandoffEnded): void {
    const { role, outcome, shard, peer, error, epoch = 0 } = ended;
    this.#handoffTally.count(ended);
    if (error !== undefined) this.#misunderstandings.heard(error);
    if (role === "taker") {
      const isAdopted = outcome === "adopted";
      const revision = isAdopted ? epoch : 0;
      this.#step({ kind: "handoff-ended", shard, outcome: isAdopted ? "adopted" : "aborted", revision });
    } else if (outcome === "moved") {
      const { id: member, incarnation } = peer;
      this.#step({ kind: "shard-given", shard, member, incarnation, revision: epoch });
    } else if (outcome === "superseded" || outcome === "aborted") {
      this.#step({ kind: "give-aborted", shard });
      // Somebody else's; or the bucket may have been lost meanwhile, and the shard with it.
      if (outcome === "superseded" || !this.#placement.isOpen(shard)) this.#drop(shard);
    }
  }

  #shortTick(): void {
    this.#courier?.handoffs.tick(this.#options.clock.monotonicUs());
    this.#tryAsks();
    this.#tellGivenBack();
    if (this.mayAnswer()) this.#journals.tick();
  }

  #settleReady(): void {
    const { shards } = this.#options.placement;
    if (this.#isFenced || this.#host === undefined) return;
    let owned = 0;
    for (let shard = 0; shard < shards; shard += 1) {
      if (this.#journals.isOpening(shard)) return;
      if (this.#placement.isOpen(shard)) owned += 1;
    }
    // Alone it has to have everything; beside others its share comes by and by.
    if (owned === shards || this.membersAlive > 1) this.#ready.resolve();
  }

  #journalHost(): JournalHost {
    const { clock, leases, placement, say } = this.#options;
    const host = (): ShardHost => this.#host as ShardHost;
    return {
      keys: (shard) => this.#host?.actor.admission.table.journalToWrite(shard, clock.wallUs()),
      horizonMaxUs: () =>
        Math.max(0, ...host().actor.admission.policies.policies.map((policy) => horizonUs(policy))),
      page: (shard, page) => host().post({ kind: "shard-page", shard, page }),
      takeover: (shard, { atUs, times }) => host().post({ kind: "shard-takeover", shard, atUs, times }),
      discard: (shard) => host().post({ kind: "shard-closed", shard }),
      opened: (shard, epoch) => {
        host().post({ kind: "shard-opened", shard, epoch, isJournalled: true, isRecovered: true });
        host().subscribe(shard);
        this.#settleReady();
      },
      advanced: () => host().post({ kind: "journal-advanced" }),
      superseded: (shard) => {
        say(
          `${placement.id}: the journal of shard ${shard} is another's, of a later epoch; if no process decides it (parl shards), delete the lease bucket: nats kv del ${leases.bucketName}`,
        );
        this.#drop(shard);
      },
      closed: (shard) => {
        this.#drop(shard);
        this.#step({ kind: "snapshotted", shard });
      },
      say,
    };
  }
}
