import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CallDeadline } from "../../lua/call-deadline.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const LATE = { code: "PARL_DEADLINE_EXCEEDED" };

function outcome(promise: Promise<unknown>): { value?: unknown } {
  const seen: { value?: unknown } = {};
  void promise.then(
    (value) => (seen.value = value),
    (error: unknown) => (seen.value = error),
  );
  return seen;
}

it("what is in time comes through, good or bad", async () => {
  const deadline = new CallDeadline(100);
  await expect(deadline.over(Promise.resolve(7))).resolves.toBe(7);
  await expect(deadline.over(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

it("each call has its own deadline, to the millisecond", async () => {
  const deadline = new CallDeadline(100);
  const first = outcome(deadline.over(new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(60);
  const second = outcome(deadline.over(new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(39);
  expect([first.value, second.value]).toEqual([undefined, undefined]);
  await vi.advanceTimersByTimeAsync(1);
  expect(first.value).toMatchObject(LATE);
  expect(second.value).toBeUndefined();
  await vi.advanceTimersByTimeAsync(59);
  expect(second.value).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(second.value).toMatchObject(LATE);
});

it("a call that is over does not hold up the next one's deadline", async () => {
  const deadline = new CallDeadline(100);
  await deadline.over(Promise.resolve());
  await vi.advanceTimersByTimeAsync(50);
  const slow = outcome(deadline.over(new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(99);
  expect(slow.value).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(slow.value).toMatchObject(LATE);
});

it("what comes too late is not heard, also when it is an error", async () => {
  const deadline = new CallDeadline(100);
  const work = Promise.withResolvers<number>();
  const late = outcome(deadline.over(work.promise));
  await vi.advanceTimersByTimeAsync(100);
  work.reject(new Error("too late"));
  await vi.advanceTimersByTimeAsync(100);
  expect(late.value).toMatchObject(LATE);
});

it("a call that is over is not kept until its deadline", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const deadline = new CallDeadline(3_600_000);
  const bytesKept = async (): Promise<number> => {
    const calls = Array.from({ length: 10_000 }, () => deadline.over(Promise.resolve()));
    await Promise.all(calls);
    collect();
    return process.memoryUsage().heapUsed;
  };
  for (let round = 0; round < 3; round += 1) await bytesKept();
  const before = await bytesKept();
  for (let round = 0; round < 10; round += 1) await bytesKept();
  // A call is some 40 bytes, and 100,000 have come and gone.
  expect((await bytesKept()) - before).toBeLessThan(1e6);
});

it("one timer serves any number of calls, and none is left behind", async () => {
  const deadline = new CallDeadline(100);
  const calls = Array.from({ length: 1_000 }, () => deadline.over(Promise.resolve()));
  expect(vi.getTimerCount()).toBe(1);
  await Promise.all(calls);
  await vi.advanceTimersByTimeAsync(100);
  expect(vi.getTimerCount()).toBe(0);
});
