/** The gate before a shard actor: what goes out while its process may not answer. Subscriptions by hand. */
import { describe, expect, it } from "vitest";
import { US_PER_MS } from "../../core/units.ts";
import { HostedShard, KEY_SHARD } from "./hosted-shard.ts";

const PER_KEY = "name: key, dimension: key, algorithm: gcra, limit: 100, window: 1d";
const PER_ORG = "name: org, dimension: org, algorithm: gcra, limit: 20, window: 1d";

describe("a host of shards", () => {
  it("answers while it may, and drops what arrives while it may not", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(1);
    scene.mayAnswer = false;
    scene.check(1);
    await scene.quiet();
    expect([scene.answers(), scene.host.fenced]).toEqual([1, 1]);
    scene.mayAnswer = true;
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(2);
  });

  it("answers no check that has waited for another home while it may not", async () => {
    const scene = new HostedShard(PER_KEY, PER_ORG);
    scene.check(1);
    await scene.quiet();
    expect(scene.answers()).toBe(0);
    scene.mayAnswer = false;
    await scene.tick(300 * US_PER_MS);
    await scene.tick(300 * US_PER_MS);
    expect(scene.answers()).toBe(0);
  });

  it("lets no answer go that was held for the journal while it may not, and lets it go once it may", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.check(50);
    await scene.quiet();
    expect([scene.answers(), scene.host.actor.heldFor(KEY_SHARD)]).toEqual([0, 1]);
    scene.mayAnswer = false;
    await scene.written();
    await scene.tick(10 * US_PER_MS);
    expect([scene.answers(), scene.host.actor.heldFor(KEY_SHARD)]).toEqual([0, 1]);
    scene.mayAnswer = true;
    await scene.tick(10 * US_PER_MS);
    expect([scene.answers(), scene.host.fencedAnswers]).toEqual([1, 0]);
  });

  it("answers a reset once the journal knows of it, and is not quiet before", async () => {
    const scene = new HostedShard(PER_KEY);
    let isQuiet = false;
    scene.reset();
    await scene.quiet();
    scene.host.whenQuiet(KEY_SHARD, () => (isQuiet = true));
    expect([scene.sent, isQuiet, scene.host.actor.heldFor(KEY_SHARD)]).toEqual([[], false, 1]);
    await scene.written();
    expect([scene.sent, isQuiet]).toEqual([["_INBOX.operator"], true]);
  });

  it("tells whoever resets a key when the journal does not confirm it", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.reset();
    await scene.quiet();
    await scene.tick(700 * US_PER_MS);
    expect(scene.sent).toEqual([]);
    await scene.tick(100 * US_PER_MS);
    expect(scene.sent).toEqual(["_INBOX.operator"]);
    expect(new TextDecoder().decode(scene.payloads[0])).toMatch(/PARL_DEADLINE_EXCEEDED.*the key was reset/);
    await scene.written();
    expect(scene.sent).toHaveLength(1);
  });

  it("counts the answers it did not send, apart from what it did not decide", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.check(1);
    await scene.quiet();
    // The lease runs out while a check is being decided.
    scene.mayAnswerTimes = 1;
    scene.check(1);
    await scene.quiet();
    expect([scene.answers(), scene.host.fenced, scene.host.fencedAnswers]).toEqual([1, 0, 1]);
    scene.check(1);
    await scene.quiet();
    expect([scene.answers(), scene.host.fenced, scene.host.fencedAnswers]).toEqual([1, 1, 1]);
  });

  it("borrows nothing while it may not answer", async () => {
    const scene = new HostedShard(PER_KEY, PER_ORG);
    scene.check(1);
    await scene.quiet();
    scene.mayAnswer = false;
    const before = scene.sent.length;
    await scene.tick(100 * US_PER_MS);
    await scene.tick(100 * US_PER_MS);
    expect(scene.sent.slice(before)).toEqual([]);
  });

  it("calls a shard quiet when nothing of it is undone or held", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.check(50);
    let isQuiet = false;
    scene.host.whenQuiet(KEY_SHARD, () => (isQuiet = true));
    await scene.quiet();
    expect(isQuiet).toBe(false);
    const journal = scene.host.actor.admission.table.journal(KEY_SHARD);
    journal?.takeDue(10_000);
    journal?.acked();
    scene.host.post({ kind: "journal-advanced" });
    await expect.poll(() => isQuiet).toBe(true);
    expect(scene.answers()).toBe(1);
  });

  it("hears nothing while it is away, and everything it is to hear afterwards", async () => {
    const scene = new HostedShard(PER_KEY);
    const before = scene.subscriptions;
    await scene.host.leave();
    expect(scene.subscriptions).toEqual([]);
    scene.host.unsubscribe(KEY_SHARD);
    for (const shard of [KEY_SHARD, KEY_SHARD + 1]) scene.host.subscribe(shard);
    expect(scene.subscriptions).toEqual([]);
    scene.host.resume();
    expect(scene.subscriptions.toSorted()).toEqual([...before, `parl.shard.${KEY_SHARD + 1}.>`].toSorted());
    scene.check(1);
    await scene.quiet();
    expect([scene.answers(), scene.host.isQuiet]).toEqual([1, true]);
    await scene.host.leave();
    scene.host.cut();
    scene.host.resume();
    expect(scene.subscriptions).toEqual([]);
  });

  it("is not quiet while an answer waits for the journal", async () => {
    const scene = new HostedShard(PER_KEY);
    scene.check(50);
    expect(scene.host.isQuiet).toBe(false);
    await scene.quiet();
    expect(scene.host.isQuiet).toBe(false);
    await scene.written();
    expect(scene.host.isQuiet).toBe(true);
  });
});
