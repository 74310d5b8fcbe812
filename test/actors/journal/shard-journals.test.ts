/** What a process counts of its journals: how each was opened, what became of each message. The store is scripted. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { JournalStore } from "../../../actors/journal/journal-store.ts";
import { encodeRecord } from "../../../actors/journal/record.ts";
import type { AppendOutcome, LastMessage } from "../../../actors/journal/shard-journal.ts";
import { ShardJournals, type JournalHost } from "../../../actors/journal/shard-journals.ts";
import { ManualClock } from "../../../core/clock.ts";
import { US_PER_S } from "../../../core/units.ts";
import { encodedRun, foreignRecord, record, SHARD } from "./record-samples.ts";

const EPOCH = 1_000;
const NONE = { fresh: 0, recovered: 0, continued: 0, exhausted: 0, rewritten: 0 };

class Scene {
  readonly clock = new ManualClock();
  readonly journals: ShardJournals;
  /** What the store holds of the shard, and how it answers, the next first. */
  stored: Uint8Array[] = [];
  outcomes: AppendOutcome[] = [];
  last: LastMessage = { kind: "none" };
  readonly events: string[] = [];
  readonly said: string[] = [];
  appended = 0;
  isDue = false;

  constructor() {
    const store = {
      ensure: () => Promise.resolve("found"),
      read: (_: readonly number[], visit: (shard: number, sequence: number, bytes: Uint8Array) => void) => {
        for (const [i, bytes] of this.stored.entries()) visit(SHARD, i + 1, bytes);
        return Promise.resolve();
      },
      append: (_shard: number, _bytes: Uint8Array, expected: number) => {
        this.appended += 1;
        return Promise.resolve(this.outcomes.shift() ?? { kind: "acked", sequence: expected + 1 });
      },
      readLast: () => Promise.resolve(this.last),
      purge: () => Promise.resolve(true),
      stream: "PARL_JOURNAL_eu",
      subject: (shard: number) => `parl.journal.eu.${shard}`,
    };
    const host: JournalHost = {
      keys: () => ({
        isDue: () => this.isDue,
        takeDue: () => {
          this.isDue = false;
          return [new Uint8Array(1)];
        },
        acked: () => undefined,
        lost: () => undefined,
        invalidate: () => undefined,
        startSnapshot: () => undefined,
        nextSnapshotPages: () => undefined,
      }),
      horizonMaxUs: () => US_PER_S,
      page: () => undefined,
      takeover: () => this.events.push("takeover"),
      discard: () => this.events.push("discard"),
      opened: () => this.events.push("opened"),
      advanced: () => undefined,
      superseded: () => this.events.push("superseded"),
      closed: () => this.events.push("closed"),
      say: (words) => this.said.push(words),
    };
    this.journals = new ShardJournals(store as unknown as JournalStore, this.clock, host);
  }

  async recover(hadOwner: boolean): Promise<void> {
    this.journals.recover({ shard: SHARD, epoch: EPOCH, hadOwner });
    await this.until(() => this.events.includes("opened"));
  }

  /** Lets the journals work until something is so. */
  async until(condition: () => boolean): Promise<void> {
    await expect
      .poll(() => {
        this.clock.advanceUs(US_PER_S);
        this.journals.tick();
        return condition();
      })
      .toBe(true);
  }
}

describe("the journals of a process count", () => {
  it("shards that nobody had, and shards of which nothing is left", async () => {
    const scene = new Scene();
    await scene.recover(false);
    expect(scene.journals.openings).toEqual({ ...NONE, fresh: 1 });
    const gone = new Scene();
    await gone.recover(true);
    expect(gone.events).toEqual(["takeover", "opened"]);
    expect(gone.journals.openings).toEqual({ ...NONE, exhausted: 1 });
  });

  it("shards recovered after a crash, and gone on with after a clean end or a handoff", async () => {
    const scene = new Scene();
    scene.stored = encodedRun(EPOCH - 1, 0, [{ kind: "opened", how: "fresh" }]);
    await scene.recover(true);
    expect(scene.journals.openings).toEqual({ ...NONE, recovered: 1 });
    // Every key is charged for the crash before the shard decides anything.
    expect(scene.events).toEqual(["takeover", "opened"]);
    const clean = new Scene();
    clean.stored = encodedRun(EPOCH - 1, 0, [{ kind: "opened", how: "fresh" }, { kind: "clean" }]);
    await clean.recover(true);
    expect(clean.events).toEqual(["opened"]);
    expect(clean.journals.openings).toEqual({ ...NONE, continued: 1 });
    await clean.journals.resume(SHARD, EPOCH + 1);
    expect(clean.journals.openings).toEqual({ ...NONE, continued: 2 });
  });

  it("messages by what became of them", async () => {
    const scene = new Scene();
    scene.outcomes = [{ kind: "unknown" }, { kind: "unknown" }];
    await scene.recover(false);
    expect(scene.journals.writes).toEqual({
      stored: 1,
      unanswered: 2,
      refused: 0,
      superseded: 0,
      foreign: 0,
    });
    scene.isDue = true;
    await scene.until(() => scene.journals.writes.stored === 2);
  });

  it("shards whose journal a later owner has written", async () => {
    const scene = new Scene();
    await scene.recover(false);
    scene.outcomes = [{ kind: "wrong-sequence" }];
    scene.last = { kind: "found", sequence: 9, bytes: encodeRecord(record({ epoch: EPOCH + 1 })) };
    scene.isDue = true;
    await scene.until(() => scene.events.includes("superseded"));
    expect(scene.journals.writes).toEqual({
      stored: 1,
      unanswered: 0,
      refused: 1,
      superseded: 1,
      foreign: 0,
    });
  });

  it("shards whose journal is of a later epoch than their owner's, and write nothing into it", async () => {
    const scene = new Scene();
    scene.stored = encodedRun(EPOCH + 1, 0, [{ kind: "opened", how: "fresh" }, { kind: "clean" }]);
    scene.journals.recover({ shard: SHARD, epoch: EPOCH, hadOwner: true });
    await scene.until(() => scene.events.includes("superseded"));
    await scene.journals.resume(SHARD, EPOCH);
    expect(scene.events).toEqual(["superseded", "superseded"]);
    expect(scene.journals.writes).toEqual({
      stored: 0,
      unanswered: 0,
      refused: 0,
      superseded: 2,
      foreign: 0,
    });
    expect([scene.journals.openings, scene.journals.isOpening(SHARD)]).toEqual([NONE, false]);
    // Its own it goes on with, whoever it was before.
    await scene.journals.resume(SHARD, EPOCH + 1);
    expect(scene.journals.openings).toEqual({ ...NONE, continued: 1 });
  });

  it("journals lost under their owner, and written anew", async () => {
    const scene = new Scene();
    await scene.recover(false);
    scene.outcomes = [{ kind: "wrong-sequence" }];
    scene.isDue = true;
    await scene.until(() => scene.journals.openings.rewritten > 0);
    expect(scene.journals.openings).toEqual({ ...NONE, fresh: 1, rewritten: 1 });
  });

  describe("of another version", () => {
    beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout"] }));
    afterEach(() => vi.useRealTimers());

    it.each([
      [
        "after what can be read",
        [...encodedRun(EPOCH - 1, 0, [{ kind: "opened", how: "fresh" }]), foreignRecord()],
      ],
      [
        "in a page of it",
        encodedRun(EPOCH - 1, 0, [{ kind: "opened", how: "fresh" }, { pages: [foreignPage()] }]),
      ],
    ])("%s, and leave them as they are, saying once what to do", async (_, stored) => {
      const scene = new Scene();
      scene.stored = stored;
      scene.journals.recover({ shard: SHARD, epoch: EPOCH, hadOwner: false });
      for (let look = 0; look < 3; look += 1) {
        await vi.advanceTimersByTimeAsync(6_000);
        scene.journals.tick();
      }
      expect([scene.events, scene.appended, scene.journals.writes.foreign]).toEqual([[], 0, 1]);
      expect(scene.said).toHaveLength(1);
      expect(scene.said[0]).toMatch(
        /shard 7 .* version .* nats stream purge PARL_JOURNAL_eu --subject parl.journal.eu.7/,
      );
      // Nobody is kept waiting for it.
      expect(scene.journals.isOpening(SHARD)).toBe(false);
      // Removed by the operator it is gone, not new: nobody knows what was spent.
      scene.stored = [];
      await vi.advanceTimersByTimeAsync(6_000);
      await scene.until(() => scene.events.includes("opened"));
      expect(scene.journals.openings).toEqual({ ...NONE, exhausted: 1 });
    });

    it("are looked at no more once the shard is another's", async () => {
      const scene = new Scene();
      scene.stored = [foreignRecord()];
      scene.journals.recover({ shard: SHARD, epoch: EPOCH, hadOwner: true });
      await vi.advanceTimersByTimeAsync(6_000);
      scene.journals.drop(SHARD);
      scene.stored = [];
      await vi.advanceTimersByTimeAsync(60_000);
      expect([scene.events, scene.appended, scene.journals.isOpening(SHARD)]).toEqual([[], 0, false]);
    });

    it("are written over by whoever was handed the state itself", async () => {
      const scene = new Scene();
      scene.stored = [foreignRecord()];
      await scene.journals.resume(SHARD, EPOCH);
      expect(scene.journals.openings).toEqual({ ...NONE, rewritten: 1 });
    });
  });
});

/** A page that a later version has written. */
function foreignPage(): Uint8Array {
  return Uint8Array.of(9, ...new Uint8Array(40));
}
