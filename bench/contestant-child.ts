/** One contestant, alone in its process; answers the requests of contestant-process.ts. */
import { setTimeout } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { assert } from "../core/assert.ts";
import { Prng } from "../core/prng.ts";
import type { ChildArgument, FillAnswer, Request, RoundAnswer } from "./contestant-process.ts";
import { newContestant } from "./contestants.ts";
import { Zipf } from "./zipf.ts";

const BATCH = 1_000;
/** The compiler's memory is not the keys'; a rival's garbage from these is at most a few per cent of a run. */
const WARM_UP_KEYS = 50_000;
/** Few enough to fit into the young generation, so that no collection hides an allocation. */
const ALLOCATION_BATCHES = 20;

const SETTLE_TURNS = 3;
const SETTLE_MS = 50;

const { name, options } = JSON.parse(process.argv[2] ?? "") as ChildArgument;
const contestant = await newContestant(name, options);
let keysFilled = 0;

process.on("message", (request: Request) => {
  void answer(request).then((reply) => process.send?.(reply));
});

function answer(request: Request): Promise<FillAnswer | RoundAnswer> {
  return request.ask === "fill" ? fill(request.keys, request.hits) : round(request);
}

async function fill(keys: number, hits: number): Promise<FillAnswer> {
  const warmedUp = await newContestant(name, options);
  await warmedUp.decide(Array.from({ length: WARM_UP_KEYS }, (_, index) => keyName(index)));
  await settleMemory();
  const rssBefore = process.memoryUsage.rss();
  for (let first = 0; first < keys; first += BATCH) {
    const count = Math.min(BATCH, keys - first);
    const batch = Array.from({ length: count }, (_, index) => keyName(first + index));
    for (let hit = 0; hit < hits; hit += 1) await contestant.decide(batch);
  }
  keysFilled = keys;
  await settleMemory();
  return {
    rssBytes: process.memoryUsage.rss() - rssBefore,
    peakBytes: process.resourceUsage().maxRSS * 1024 - rssBefore,
    ownBytes: contestant.bytes(),
  };
}

/** Measured: hashing or looking up a string it has not seen as an object, deciding, counting the denied. */
async function round({ decisions, zipfS, seed }: Extract<Request, { ask: "round" }>): Promise<RoundAnswer> {
  const zipf = new Zipf(keysFilled, zipfS);
  const prng = new Prng(seed);
  // Every draw is a string object of its own, as every request brings one; made before the clock starts.
  const draw = (): string => keyName(zipf.draw(prng));
  const batches = Array.from({ length: Math.ceil(decisions / BATCH) }, () =>
    Array.from({ length: BATCH }, draw),
  );
  collectGarbage();
  let denied = 0;
  const perDecisionUs: number[] = [];
  for (const batch of batches) {
    const startMs = performance.now();
    denied += await contestant.decide(batch);
    perDecisionUs.push(((performance.now() - startMs) * 1000) / BATCH);
  }
  return { perDecisionUs, denied, allocatedBytesPerDecision: await allocatedBytes(batches) };
}

async function allocatedBytes(batches: readonly (readonly string[])[]): Promise<number> {
  const measured = batches.slice(0, ALLOCATION_BATCHES);
  collectGarbage();
  const before = getHeapStatistics().used_heap_size;
  for (const batch of measured) await contestant.decide(batch);
  return (getHeapStatistics().used_heap_size - before) / (measured.length * BATCH);
}

function keyName(index: number): string {
  return `key-${index}`;
}

/** Array buffers are given back to the system by a thread of its own, some time after a collection. */
async function settleMemory(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn += 1) {
    collectGarbage();
    await setTimeout(SETTLE_MS);
  }
}

function collectGarbage(): void {
  assert(globalThis.gc !== undefined, "started with --expose-gc");
  globalThis.gc();
}
