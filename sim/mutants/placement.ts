/** At most one process decides for a shard: leases, fencing, claims. */
import type { Mutant } from "./mutant.ts";

export const PLACEMENT: readonly Mutant[] = [
  {
    name: "skip-the-fence",
    breaks: "A process whose lease is over decides nothing more, whatever it still takes for its own",
    file: "actors/placement/placement.ts",
    find: `return this.#stage === "taking-part" && this.#lease.isValid({ monotonicUs, wallUs });`,
    replace: `return this.#stage === "taking-part";`,
    test: "test/actors/placement/placement.test.ts",
  },
  {
    name: "skip-the-gate",
    breaks: "What waited in the mailbox while the lease ran out is dropped, not decided",
    file: "actors/shard-host.ts",
    find: "if (mayAnswer) return actor.step(event, nowUs, outbox);",
    replace: "if (mayAnswer || !mayAnswer) return actor.step(event, nowUs, outbox);",
    test: "test/actors/shard-host.test.ts",
  },
  {
    name: "answer-after-the-fence",
    breaks: "The lease is asked for again when an answer goes out: it may have been decided a while ago",
    file: "actors/shard-host.ts",
    find: "if (mayAnswer()) outbox.reply(to, payload);",
    replace: "if (to !== undefined) outbox.reply(to, payload);",
    test: "test/actors/shard-host.test.ts",
  },
  {
    name: "lease-from-ack",
    breaks: "A lease counts from when its renewal was sent, not from when that was acknowledged",
    file: "actors/placement/placement.ts",
    find: "this.#membership.renewalAnswered(attempt, isStored);",
    replace: "this.#membership.renewalAnswered({ ...attempt, sent: now }, isStored);",
    test: "test/actors/placement/placement.test.ts",
  },
  {
    name: "lease-on-wall-clock",
    breaks: "A lease is measured on the monotonic clock: the wall clock may be set",
    file: "actors/placement/process-lease.ts",
    find: "monotonicUs - this.#sent.monotonicUs < this.#ttlUs &&",
    replace: "wallUs - this.#sent.wallUs < this.#ttlUs &&",
    test: "test/actors/placement/process-lease.test.ts",
  },
  {
    name: "sleep-through-suspend",
    breaks:
      "A machine that was suspended for longer than the TTL fences itself, though its monotonic clock stood still",
    file: "actors/placement/process-lease.ts",
    find: "Math.abs(wallUs - this.#sent.wallUs) <= this.#ttlUs",
    replace: "Number.isFinite(this.#sent.wallUs)",
    test: "test/actors/placement/process-lease.test.ts",
  },
  {
    name: "no-observer-margin",
    breaks: "Whoever declares a holder dead allows for a clock of its own that runs faster",
    file: "actors/placement/process-lease.ts",
    find: "return ttlUs + Math.ceil(ttlUs / 8) + OBSERVER_MARGIN_US;",
    replace: "return ttlUs;",
    test: "test/actors/placement/process-lease.test.ts",
  },
  {
    name: "claim-at-once",
    breaks:
      "A shard that no bucket names an owner of is claimed only when every lease of a lost bucket is over",
    file: "actors/placement/ownership.ts",
    find: "if (now.monotonicUs - sinceUs < deadAfterUs(this.#options.leaseTtlUs)) return;",
    replace: "",
    test: "test/actors/placement/membership.test.ts",
  },
  {
    name: "gone-by-older-record",
    breaks:
      "Another incarnation in a member's record proves the owner's end only if it was written after the owner's",
    file: "actors/placement/membership.ts",
    find: "if (entry.revision > ownerRevision) return true;",
    replace: "if (entry.revision >= 0) return true;",
    test: "test/actors/placement/membership.test.ts",
  },
  {
    name: "any-cas-answer",
    breaks:
      "An answer to a compare-and-set counts for the attempt it is about, not for a later one of the key",
    file: "actors/placement/cas-ledger.ts",
    find: "if (attempt?.id !== id) return undefined;",
    replace: "if (attempt === undefined || id < 0) return undefined;",
    test: "test/actors/placement/cas-ledger.test.ts",
  },
  {
    name: "hear-a-later-epoch",
    breaks: "A frame of a later epoch than the owner's is refused: somebody else decides by now",
    file: "actors/packed-frames.ts",
    find: "if (!(reader.epoch <= home.epoch)) throw hasLaterOwner(reader.epoch, home.epoch);",
    replace: "",
    test: "test/actors/shard-actor.test.ts",
  },
  {
    name: "decide-for-another-home",
    breaks: "A check packed for the wrong shard is told MOVED, not charged to keys that are another's",
    file: "actors/packed-frames.ts",
    find: "if (admission.home !== frame.shard) {",
    replace: "if (admission.home < 0) {",
    test: "test/actors/waiting-requests.test.ts",
  },
];
