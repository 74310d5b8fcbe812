import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LateConnection } from "../../gateway/late-connection.ts";

class Door {
  isClosed = false;

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("is there after the first attempt when that works", async () => {
  const door = new Door();
  const late = new LateConnection(() => Promise.resolve(door));
  expect(late.current).toBeUndefined();
  await late.tried;
  expect(late.current).toBe(door);
  await late.close();
  expect(door.isClosed).toBe(true);
});

it("tries again until it works, and waits longer after each failure", async () => {
  // Draws the longest waits: 500 ms, 1,000, 2,000.
  vi.spyOn(Math, "random").mockReturnValue(1);
  let attempts = 0;
  const door = new Door();
  const late = new LateConnection(() =>
    (attempts += 1) < 4 ? Promise.reject(new Error("nobody home")) : Promise.resolve(door),
  );
  await late.tried;
  expect(late.error).toEqual(new Error("nobody home"));
  for (const waitMs of [500, 1_000, 2_000]) {
    const before = attempts;
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(attempts).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(attempts).toBe(before + 1);
  }
  expect(late.current).toBe(door);
  expect(late.error).toBeUndefined();
});

it("stops trying once closed, and shuts what opens after that", async () => {
  let attempts = 0;
  const refusing = new LateConnection(() => {
    attempts += 1;
    return Promise.reject(new Error("nobody home"));
  });
  await refusing.tried;
  await refusing.close();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(attempts).toBe(1);

  const opening = Promise.withResolvers<Door>();
  const late = new LateConnection(() => opening.promise);
  await late.close();
  const door = new Door();
  opening.resolve(door);
  await late.tried;
  expect(door.isClosed).toBe(true);
  expect(late.current).toBeUndefined();
});
