import { expect, it } from "vitest";
import { driveOpenLoop } from "../../../cli/replay/open-loop.ts";
import { micros } from "../../../core/units.ts";
import type { LoggedCheck } from "../../../sim/check-mapping.ts";

const nowMs = (): number => performance.now();

function checksAtMs(...moments: number[]): LoggedCheck[] {
  return moments.map((ms, i) => ({ atUs: micros(ms * 1_000), tenant: "t", key: String(i), user: null }));
}

it("keeps no more checks in flight than it may, and loses none", async () => {
  let inFlight = 0;
  let inFlightMost = 0;
  const answered: string[] = [];
  const send = async (check: LoggedCheck): Promise<void> => {
    inFlightMost = Math.max(inFlightMost, (inFlight += 1));
    await new Promise((resolve) => setImmediate(resolve));
    inFlight -= 1;
    answered.push(check.key);
  };
  const checks = checksAtMs(...Array.from({ length: 500 }, () => 0));
  const signal = new AbortController().signal;
  expect(await driveOpenLoop(checks, { factor: Infinity, inFlightMax: 7, signal, nowMs, send })).toBe(500);
  expect(inFlightMost).toBe(7);
  expect(new Set(answered).size).toBe(500);
});

it("sends each check when the log says, divided by the factor, however slow the answers are", async () => {
  const startMs = nowMs();
  const sentMs: number[] = [];
  const answers: (() => void)[] = [];
  const send = (): Promise<void> => {
    sentMs.push(nowMs() - startMs);
    if (sentMs.length === 3) for (const answer of answers) answer();
    return sentMs.length === 3 ? Promise.resolve() : new Promise((resolve) => answers.push(resolve));
  };
  const checks = checksAtMs(5_000, 5_400, 6_000);
  const signal = new AbortController().signal;
  await driveOpenLoop(checks, { factor: 20, inFlightMax: 10, signal, nowMs, send });
  const [, second = 0, third = 0] = sentMs;
  expect(second).toBeGreaterThan(18);
  expect(third).toBeGreaterThan(48);
});

it("stops sending at once when told to, and waits for the answers it is owed", async () => {
  const stop = new AbortController();
  let answered = 0;
  const send = async (): Promise<void> => {
    stop.abort();
    await new Promise((resolve) => setImmediate(resolve));
    answered += 1;
  };
  const anHourLater = checksAtMs(0, 3_600_000);
  expect(
    await driveOpenLoop(anHourLater, { factor: 1, inFlightMax: 10, signal: stop.signal, nowMs, send }),
  ).toBe(1);
  expect(answered).toBe(1);
});
