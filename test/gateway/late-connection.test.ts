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
afterEach(() => void vi.useRealTimers());

it("is there after the first attempt when that works", async () => {
  const door = new Door();
  const late = new LateConnection(() => Promise.resolve(door));
  expect(late.current).toBeUndefined();
  await late.tried;
  expect(late.current).toBe(door);
  await late.close();
  expect(door.isClosed).toBe(true);
});

it("tries again every second until it works", async () => {
  let attempts = 0;
  const door = new Door();
  const late = new LateConnection(() =>
    (attempts += 1) < 3 ? Promise.reject(new Error("nobody home")) : Promise.resolve(door),
  );
  await late.tried;
  await vi.advanceTimersByTimeAsync(999);
  expect(attempts).toBe(1);
  expect(late.error).toEqual(new Error("nobody home"));
  await vi.advanceTimersByTimeAsync(1_001);
  expect(attempts).toBe(3);
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
