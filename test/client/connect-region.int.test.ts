/** What a region costs that takes every call and never says a word. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ParlClient } from "../../client/parl-client.ts";
import { HomeRegion } from "../../gateway/home-region.ts";
import { SilentServer } from "../harness/silent-server.ts";

const STEP_MS = 250;
const ATTEMPTS = 8;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});
afterEach(() => void vi.useRealTimers());

it.each([
  ["an SDK", (servers: string[]) => new ParlClient({ regions: [{ name: "eu", servers }] })],
  ["a gateway's line home", (servers: string[]) => new HomeRegion({ name: "eu", servers }, 500)],
])("%s tries it again and again, with one socket at a time", { timeout: 30_000 }, async (_, open) => {
  await using silent = await SilentServer.start();
  const caller = open([silent.url]);
  while (silent.calls < ATTEMPTS) {
    await vi.advanceTimersByTimeAsync(STEP_MS);
    await expect.poll(() => silent.open).toBeLessThanOrEqual(1);
  }
  await caller.close();
});

it.each([
  ["an SDK", (servers: string[]) => new ParlClient({ regions: [{ name: "eu", servers }] })],
  ["a gateway's line home", (servers: string[]) => new HomeRegion({ name: "eu", servers }, 500)],
])("%s that is closed tries it no more", async (_, open) => {
  await using silent = await SilentServer.start();
  const caller = open([silent.url]);
  await expect.poll(() => silent.calls).toBe(1);
  await caller.close();
  await vi.advanceTimersByTimeAsync(60_000);
  await expect.poll(() => silent.open).toBe(0);
  expect(silent.calls).toBe(1);
});
