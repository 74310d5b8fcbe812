/** A shard moves without a check lost and without one decided twice. */
import type { Mutant } from "./mutant.ts";

export const HANDOFF: readonly Mutant[] = [
  {
    name: "freeze-before-ready",
    breaks:
      "The giver freezes only when the taker is subscribed and says READY: until then nobody else hears",
    file: "actors/handoff/giver.ts",
    find: `} else if (this.#state === "settling" && monotonicUs - this.#readyUs >= SETTLE_US) {`,
    replace: `} else if (this.#state === "subscribing" || this.#state === "settling") {`,
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "ready-before-subscribed",
    breaks: "READY is said when the subscription is active, not when it was asked for",
    file: "actors/handoff/taker.ts",
    find: "outbox.subscribe(this.facts.shard, this.facts.transfer);",
    replace: `outbox.subscribe(this.facts.shard, this.facts.transfer);
      this.#state = "committed";
      this.#ready(this.#heardUs, outbox);`,
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "no-settling-time",
    breaks: "Between READY and freeze the giver waits for what is on its way by another route",
    file: "actors/handoff/giver.ts",
    find: "monotonicUs - this.#readyUs >= SETTLE_US",
    replace: "monotonicUs >= this.#readyUs",
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "subscribe-unlisted",
    breaks: "From SUBSCRIBE on the giver writes down what it accepts, since the taker has a copy",
    file: "actors/handoff/giver.ts",
    find: `if (state === "paging") return "decide";`,
    replace: `if (state === "paging" || state === "subscribing") return "decide";`,
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "decide-while-frozen",
    breaks: "A frozen shard decides nothing: its state is on its way",
    file: "actors/handoff/giver.ts",
    find: `return "parked";`,
    replace: `return "decide";`,
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "answered-list-left-behind",
    breaks: "FINAL carries what the giver has answered, so that the taker strikes out its copies",
    file: "actors/handoff/giver.ts",
    find: "answered: this.#answered.subjects(),",
    replace: "answered: [],",
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "dirty-left-behind",
    breaks: "FINAL carries the keys charged since their page was sent",
    file: "actors/handoff/giver.ts",
    find: "dirty: this.#window.rest(),",
    replace: "dirty: [],",
    test: "test/actors/handoff/handoffs.prop.test.ts",
  },
  {
    name: "conflict-means-no",
    breaks:
      "A CAS that was wished for is taken back by nothing but proof: a conflict may be our own first attempt",
    file: "actors/handoff/giver.ts",
    find: "this.#isContested = true;",
    replace: `this.#state = "draining";
      this.#abort(unavailable("somebody was faster"), outbox);`,
    test: "test/actors/handoff/giver.test.ts",
  },
  {
    name: "page-after-a-gap",
    breaks: "A page that arrives before the one before it ends the transfer",
    file: "actors/handoff/taker.ts",
    find: "if (number > this.#pages) {",
    replace: "if (number < 0) {",
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "page-twice",
    breaks: "A page that comes again is acknowledged, not adopted again",
    file: "actors/handoff/taker.ts",
    find: "if (number === this.#pages) {",
    replace: "if (number <= this.#pages) {",
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "final-with-pages-missing",
    breaks: "FINAL counts only after all the pages it names",
    file: "actors/handoff/taker.ts",
    find: "if (final.pages !== this.#pages) {",
    replace: "if (final.pages < 0) {",
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "final-of-an-old-epoch",
    breaks: "FINAL brings a later epoch than the giver's",
    file: "actors/handoff/taker.ts",
    find: "if (final.epoch <= epoch) throw malformed(",
    replace: "if (final.epoch < 0) throw malformed(",
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "adopt-while-fenced",
    breaks: "A taker that is fenced when FINAL comes answers nothing before its lease is valid again",
    file: "actors/handoff/taker.ts",
    find: "if (!this.#isFenced) this.#adopt(outbox);",
    replace: "this.#adopt(outbox);",
    test: "test/actors/handoff/taker.test.ts",
  },
  {
    name: "ids-left-behind",
    breaks: "The answers given under idempotency ids move with the shard",
    file: "actors/owned-shards.ts",
    find: "if (answeredIds !== undefined && answeredIds.length > 0) answered.load(answeredIds);",
    replace: "",
    test: "test/actors/shard-actor.sim.test.ts",
  },
  {
    name: "loans-left-behind",
    breaks: "What is lent of a shard's keys moves with the shard",
    file: "actors/owned-shards.ts",
    find: "if (loans !== undefined && loans.length > 0) book.importShard(shard, loans, nowUs, nowUs);",
    replace: "",
    test: "test/actors/shard-actor.sim.test.ts",
  },
  {
    name: "leave-and-forget-what-is-lent",
    breaks:
      "An owner that leaves in order charges what it has lent: its successor charges nothing for a crash",
    file: "actors/owned-shards.ts",
    find: "this.#lending.book.forfeitShard(shard, nowUs);",
    replace: "",
    test: "test/actors/journal.sim.test.ts",
  },
];
