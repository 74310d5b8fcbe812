import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageWriter } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { ParlError } from "../../core/errors.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { START_US } from "./histories.ts";
import { adoptAll, decided, newLimiter, pagesOf, peeked, POLICY } from "./travelling.ts";

const LOG: AlgorithmParams = { algorithm: "sliding-log", limit: 100_000, windowUs: micros(10 * US_PER_S) };
const FIXED: AlgorithmParams = { algorithm: "fixed-window", limit: 10, windowUs: micros(10 * US_PER_S) };

function logWith(events: number, gapUs: number): KeyedLimiter {
  const limiter = newLimiter(LOG);
  for (let i = 0; i < events; i += 1) limiter.charge(9, 9, 1 + (i % 3), micros(START_US + i * gapUs));
  return limiter;
}

describe("the format", () => {
  it("is what it has always been", () => {
    const limiter = newLimiter({ ...FIXED, burst: 3 });
    limiter.charge(0x01020304, 0xaaaa0506, 7, micros(20 * US_PER_S));
    limiter.setArrears({ units: 1, atUs: micros(20 * US_PER_S) });
    const [page] = pagesOf(limiter, FIXED);
    const params = '{"algorithm":"fixed-window","limit":10,"windowUs":10000000}';
    expect(Buffer.from(page!).toString("hex")).toBe(
      [
        "01 05 0100 02000000 0000000 0d0127341 0700 3b00 01000000".replaceAll(" ", ""),
        Buffer.from(POLICY + params).toString("hex"),
        "00000000 02000000 01000000".replaceAll(" ", ""),
        "04030201 02000605 07000000".replaceAll(" ", ""),
      ].join(""),
    );
  });

  it("says what is reserved of each key where it was begun to, also of one never seen", () => {
    const limiter = newLimiter(FIXED);
    limiter.charge(0x01020304, 0xaaaa0506, 7, micros(20 * US_PER_S));
    const writer = new StatePageWriter();
    limiter.beginPage(writer, POLICY, FIXED, "reserved");
    expect(limiter.writeKey(0x01020304, 0x0506, writer, false, 300)).toBe(true);
    expect(limiter.writeKey(0xff020304, 0x0708, writer, false, 2 ** 40)).toBe(true);
    const page = writer.finish();
    expect(page[1]).toBe(3);
    expect(Buffer.from(page.subarray(-32)).toString("hex")).toBe(
      [
        "04030201 02000605 2c010000 07000000".replaceAll(" ", ""),
        "040302ff 02000807 ffffffff 00000000".replaceAll(" ", ""),
      ].join(""),
    );
    const reader = new StatePageReader();
    reader.open(page);
    expect(reader.isReserving).toBe(true);
    const read = (): unknown[] => [reader.next(), reader.high, reader.low, reader.reserved];
    expect([read(), read()]).toEqual([
      [true, 0x01020304, 0x0506, 300],
      [true, 0xff020304, 0x0708, 2 ** 32 - 1],
    ]);
    expect(() => limiter.beginPage(writer, POLICY, FIXED)).not.toThrow();
    expect(() => limiter.writeKey(0x01020304, 0x0506, writer, false, 1)).toThrow("begun for it");
    expect([limiter.writeKey(9, 9, writer), writer.count]).toEqual([true, 0]);
    reader.open(pagesOf(limiter, FIXED)[0]!);
    expect([reader.isReserving, reader.next(), reader.reserved]).toEqual([false, true, 0]);
  });

  it("says how many keys there are altogether; of a page that does not, as older ones do not, nothing is known", () => {
    const limiter = newLimiter(FIXED);
    for (let high = 1; high <= 500; high += 1) limiter.charge(high, 0, 7, micros(START_US));
    const [page] = pagesOf(limiter, FIXED, { bytes: 200 });
    const reader = new StatePageReader();
    reader.open(page!);
    expect(reader.keys).toBe(500);
    const older = new Uint8Array([...page!.subarray(0, 20), ...page!.subarray(24)]);
    older[1] = 1;
    const taker = newLimiter(FIXED);
    adoptAll(taker, [older], START_US);
    reader.open(older);
    expect([reader.keys, reader.count]).toEqual([0, taker.keys]);
    expect(peeked(taker, { high: 1, low: 0 }, START_US).remaining).toBe(3);
  });

  it.each(ALGORITHMS)("writes a key of %s that was never seen as just that", (algorithm) => {
    const params = { ...FIXED, algorithm };
    const [giver, taker] = [newLimiter(params), newLimiter(params)];
    giver.setArrears({ units: 4, atUs: micros(START_US) });
    taker.charge(9, 9, 10, micros(START_US));
    const before = giver.bytes();
    const writer = new StatePageWriter();
    for (let i = 0; i < 2_000; i += 1) {
      giver.beginPage(writer, POLICY, params, "reserved");
      giver.writeKey(9, 9, writer, false, 5);
    }
    expect([giver.keys, giver.bytes()]).toEqual([0, before]);
    adoptAll(taker, [writer.finish()], START_US);
    expect(peeked(taker, { high: 9, low: 9 }, START_US)).toEqual(
      peeked(giver, { high: 9, low: 9 }, START_US),
    );
    expect(peeked(taker, { high: 9, low: 9 }, START_US).remaining).toBe(6);
  });

  it("names the policy and its numbers, no more", () => {
    const reader = new StatePageReader();
    const params = { ...FIXED, burst: 5, subWindows: 4, name: "x", match: {}, onFailure: "deny" };
    const writer = new StatePageWriter();
    writer.begin("per-key", params, createAlgorithm(params), 0);
    reader.open(writer.finish());
    expect(reader.params).toEqual({ ...FIXED, burst: 5, subWindows: 4 });
    expect([reader.policy, reader.nowUs, reader.count, reader.next()]).toEqual(["per-key", 0, 0, false]);
  });
});

describe("a bad page", () => {
  const [page] = pagesOf(logWith(3, 1_000), LOG);
  const firstAt = 24 + (page![16] as number) + (page![18] as number);
  const eventsAt = firstAt + 12;

  it.each([
    { what: "nothing", change: () => new Uint8Array(0), says: "empty" },
    { what: "another version", change: at(0, 2), says: "version 1, got 2", code: "PARL_UNSUPPORTED_VERSION" },
    { what: "flags of the future", change: at(1, 9), says: "flags", code: "PARL_UNSUPPORTED_VERSION" },
    { what: "state words of another algorithm", change: at(2, 2), says: "state words" },
    { what: "more entries than there are bytes", change: at(7, 0xff), says: "too short" },
    { what: "one entry more", change: at(4, 2), says: "ends within entry 1" },
    { what: "one entry less", change: at(4, 0), says: "goes on for" },
    { what: "a time beyond all windows", change: at(15, 0x7f), says: "impossible time" },
    { what: "a name longer than the page", change: at(17, 0xff), says: "header" },
    { what: "a name that is no text", change: at(24, 0xff), says: "UTF-8" },
    { what: "params that are no JSON", change: at(31, 0x20), says: "JSON" },
    { what: "an algorithm nobody knows", change: at(48, 0x78), says: "not known" },
    { what: "an identity of nobody", change: at(firstAt, 0), says: "without identity" },
    { what: "events beyond the page", change: at(eventsAt, 4), says: "ends within entry 0" },
    { what: "events without number", change: at(eventsAt + 3, 0xff), says: "ends within entry 0" },
    { what: "events out of order", change: at(eventsAt + 16 + 6, 0), says: "impossible event" },
    {
      what: "an event after the page was written",
      change: at(eventsAt + 28 + 6, 0xff),
      says: "impossible event",
    },
    { what: "an event that cost nothing", change: at(eventsAt + 12, 0), says: "impossible event" },
    {
      what: "bytes after its end",
      change: (bytes: Uint8Array) => new Uint8Array([...bytes, 0]),
      says: "goes on",
    },
  ])("with $what is refused whole", ({ change, says, code = "PARL_MALFORMED" }) => {
    const reader = new StatePageReader();
    reader.open(page!);
    let error: unknown;
    try {
      reader.open(change(page!.slice()));
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ParlError);
    expect(error).toMatchObject({ code, field: "page" });
    expect((error as ParlError).message).toContain(says);
    expect([reader.count, reader.next()]).toEqual([0, false]);
  });

  it("that promises an order it does not keep is refused; without the promise any order will do", () => {
    const limiter = newLimiter(FIXED);
    for (const high of [3, 1, 2]) limiter.charge(high, 0, high, micros(START_US));
    const writer = new StatePageWriter();
    limiter.beginPage(writer, POLICY, FIXED);
    for (const high of [3, 1, 2]) limiter.writeKey(high, 0, writer);
    const unordered = writer.finish();
    const taker = newLimiter(FIXED);
    adoptAll(taker, [unordered], START_US);
    expect([1, 2, 3].map((high) => peeked(taker, { high, low: 0 }, START_US).remaining)).toEqual([9, 8, 7]);
    unordered[1] = 5;
    expect(() => new StatePageReader().open(unordered)).toThrow("out of order");
  });

  it.each(["limit", "windowUs"] as const)("with a %s that makes no policy is refused", (field) => {
    const writer = new StatePageWriter();
    writer.begin("p", { ...FIXED, [field]: -1 }, createAlgorithm(FIXED), 0);
    expect(() => new StatePageReader().open(writer.finish())).toThrow("make no policy");
  });
});

describe("logs", () => {
  it("may fill a page of their own, and the walk gets on", () => {
    const limiter = logWith(5_000, 100);
    limiter.charge(1, 1, 1, micros(START_US));
    limiter.charge(10, 10, 1, micros(START_US));
    limiter.setArrears({ units: 1, atUs: micros(START_US) });
    const pages = pagesOf(limiter, LOG, { bytes: 1_000 });
    expect(pages.map((page) => page[4])).toEqual([2, 2, 2]);
    const taker = newLimiter(LOG);
    adoptAll(taker, pages, START_US);
    for (const high of [1, 9, 10, 11]) {
      for (const s of [0.6, 10, 10.25, 10.4999, 10.5]) {
        const nowUs = START_US + s * US_PER_S;
        expect(peeked(taker, { high, low: high }, nowUs)).toEqual(
          peeked(limiter, { high, low: high }, nowUs),
        );
      }
    }
  });

  it("longer than a message leave the window a little later, never earlier, and lose no unit", () => {
    const limiter = logWith(5_000, 1_000);
    const pages = pagesOf(limiter, LOG, { entryBytesMax: 12_000 });
    expect(pages).toHaveLength(1);
    expect(pages[0]!.length).toBeLessThan(12_200);
    const taker = newLimiter(LOG);
    adoptAll(taker, pages, START_US);
    const key = { high: 9, low: 9 };
    expect(peeked(taker, key, START_US + 4_999_000).remaining).toBe(100_000 - 9_999);
    let later = 0;
    for (let ms = 5_000; ms <= 15_000; ms += 7) {
      const nowUs = START_US + ms * 1_000;
      const there = peeked(limiter, key, nowUs).remaining;
      const here = peeked(taker, key, nowUs).remaining;
      expect(here).toBeLessThanOrEqual(there);
      // Six neighbours became one: 5 ms at most, of at most 3 units each.
      expect(there - here).toBeLessThanOrEqual(15);
      if (here < there) later += 1;
    }
    expect(later).toBeGreaterThan(0);
  });

  it("start anew where they arrive twice", () => {
    const limiter = logWith(20, 1);
    const taker = newLimiter(LOG);
    for (let i = 0; i < 50; i += 1) adoptAll(taker, pagesOf(limiter, LOG), START_US);
    const bytes = taker.bytes();
    for (let i = 0; i < 500; i += 1) adoptAll(taker, pagesOf(limiter, LOG), START_US);
    expect(taker.bytes()).toBe(bytes);
    expect(peeked(taker, { high: 9, low: 9 }, START_US + 20)).toEqual(
      peeked(limiter, { high: 9, low: 9 }, START_US + 20),
    );
  });
});

describe("adopting", () => {
  it.each(ALGORITHMS)(
    "moves time on, so that a receiver whose clock is behind mints nothing (%s)",
    (algorithm) => {
      const params: AlgorithmParams = { ...FIXED, algorithm };
      const giver = newLimiter(params);
      giver.charge(1, 1, 10, micros(START_US));
      const taker = newLimiter(params);
      adoptAll(taker, pagesOf(giver, params), START_US - 60 * US_PER_S);
      expect(decided(taker, { high: 1, low: 1 }, 1, START_US - 30 * US_PER_S)).toContain("denied");
      expect(peeked(taker, { high: 1, low: 1 }, START_US + 5 * US_PER_S)).toEqual(
        peeked(giver, { high: 1, low: 1 }, START_US + 5 * US_PER_S),
      );
    },
  );

  it.each(ALGORITHMS)(
    "takes nothing from a page so old that its times would be misread (%s)",
    (algorithm) => {
      const params: AlgorithmParams = { ...FIXED, algorithm, windowUs: micros(1_000) };
      const giver = newLimiter(params);
      giver.charge(1, 1, 10, micros(START_US));
      const pages = pagesOf(giver, params);
      const { staleAfterUs } = giver.algorithm;
      const againUs = staleAfterUs === Infinity ? 2 ** 40 : staleAfterUs;
      for (const halves of [0.5, 1, 2, 3, 4, 5, 6, 7, 8]) {
        const taker = newLimiter(params);
        adoptAll(taker, pages, START_US + (halves * againUs) / 2);
        expect(peeked(taker, { high: 1, low: 1 }, START_US + (halves * againUs) / 2).remaining).toBe(10);
        expect(taker.keys).toBe(0);
      }
    },
  );

  it("overwrites what was there", () => {
    const giver = newLimiter(FIXED);
    giver.charge(1, 1, 3, micros(START_US));
    const taker = newLimiter(FIXED);
    taker.charge(1, 1, 9, micros(START_US));
    taker.charge(2, 2, 9, micros(START_US));
    adoptAll(taker, pagesOf(giver, FIXED), START_US);
    expect([1, 2].map((n) => peeked(taker, { high: n, low: n }, START_US).remaining)).toEqual([7, 1]);
  });

  it.each(ALGORITHMS)(
    "pours what finds no room into the shared bucket, which forgets none of it (%s)",
    (algorithm) => {
      const params: AlgorithmParams = { ...FIXED, algorithm };
      const giver = newLimiter(params);
      const fullUs = START_US + 5 * US_PER_S;
      for (let n = 60; n >= 2; n -= 1) {
        giver.charge(n * 7_000_000, n, 4 + (n % 6), micros(fullUs - n * 10_000));
      }
      const taker = new KeyedLimiter(createAlgorithm(params), { keysMax: 8 });
      for (let n = 0; n < 8; n += 1) taker.charge(n * 500_000_000 + 9, n, 10, micros(fullUs));
      adoptAll(taker, pagesOf(giver, params, { bytes: 300 }), fullUs);
      expect(taker).toMatchObject({ keys: 9, overflowed: 59, evictedLive: 0 });
      for (let s = 0; s <= 20; s += 1 / 4) {
        const nowUs = fullUs + s * US_PER_S;
        const least = Math.min(
          ...Array.from(
            { length: 59 },
            (_, i) => peeked(giver, { high: (i + 2) * 7_000_000, low: i + 2 }, nowUs).remaining,
          ),
        );
        // The shared bucket's own identity.
        expect(peeked(taker, { high: 1, low: 0 }, nowUs).remaining).toBeLessThanOrEqual(least);
      }
      // However much was poured in, it is over when the last of it would have been, give or take a window.
      expect(peeked(taker, { high: 1, low: 0 }, fullUs + 20 * US_PER_S).remaining).toBe(10);
    },
  );

  it.each(ALGORITHMS)("lets a single key that finds no room lose nothing of its debt (%s)", (algorithm) => {
    const params: AlgorithmParams = { ...FIXED, algorithm };
    const fullUs = START_US + 5 * US_PER_S;
    for (const agoS of [0, 0.01, 4, 5.5, 6.99]) {
      const giver = newLimiter(params);
      giver.charge(3_000_000_000, 5, 7, micros(fullUs - agoS * US_PER_S));
      const taker = new KeyedLimiter(createAlgorithm(params), { keysMax: 1 });
      taker.charge(9, 9, 10, micros(fullUs));
      adoptAll(taker, pagesOf(giver, params), fullUs);
      for (let s = 0; s <= 25; s += 1 / 8) {
        const nowUs = fullUs + s * US_PER_S;
        const there = peeked(giver, { high: 3_000_000_000, low: 5 }, nowUs).remaining;
        expect(peeked(taker, { high: 1, low: 0 }, nowUs).remaining).toBeLessThanOrEqual(there);
      }
    }
  });

  it("gives a key the place of a neighbour that loses less than it would", () => {
    const giver = newLimiter(FIXED);
    giver.charge(50, 5, 8, micros(START_US));
    const taker = new KeyedLimiter(createAlgorithm(FIXED), { keysMax: 2 });
    taker.charge(10, 1, 5, micros(START_US));
    taker.charge(20, 2, 9, micros(START_US));
    adoptAll(taker, pagesOf(giver, FIXED), START_US);
    expect(taker).toMatchObject({ keys: 2, evictedLive: 1, overflowed: 0 });
    expect(peeked(taker, { high: 50, low: 5 }, START_US).remaining).toBe(2);
    expect(peeked(taker, { high: 20, low: 2 }, START_US).remaining).toBe(1);
  });

  it("puts nobody out for a key that loses less by sharing", () => {
    const giver = newLimiter(FIXED);
    giver.charge(50, 5, 2, micros(START_US));
    const taker = new KeyedLimiter(createAlgorithm(FIXED), { keysMax: 2 });
    taker.charge(10, 1, 5, micros(START_US));
    taker.charge(20, 2, 9, micros(START_US));
    adoptAll(taker, pagesOf(giver, FIXED), START_US);
    expect(taker).toMatchObject({ keys: 3, evictedLive: 0, overflowed: 1 });
    expect([10, 20].map((high, i) => peeked(taker, { high, low: i + 1 }, START_US).remaining)).toEqual([
      5, 1,
    ]);
  });

  it("goes on sharing a bucket that came along", () => {
    const keysMax = 4;
    const giver = new KeyedLimiter(createAlgorithm(FIXED), { keysMax });
    for (let n = 1; n <= 4; n += 1) giver.charge(n * 900_000_000, n, 10, micros(START_US));
    for (let n = 1; n <= 3; n += 1) decided(giver, { high: n * 500_000_001, low: 8 }, 2, START_US);
    const taker = new KeyedLimiter(createAlgorithm(FIXED), { keysMax: 5 });
    adoptAll(taker, pagesOf(giver, FIXED), START_US);
    expect(taker.keys).toBe(5);
    expect(peeked(taker, { high: 77, low: 8 }, START_US).remaining).toBe(4);
  });
});

function at(index: number, value: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    bytes[index] = value;
    return bytes;
  };
}
