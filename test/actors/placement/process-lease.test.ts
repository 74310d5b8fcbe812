import { describe, expect, it } from "vitest";
import { deadAfterUs, ProcessLease, type Instant } from "../../../actors/placement/process-lease.ts";

const TTL_US = 2_000_000;

function at(us: number, suspendedUs = 0): Instant {
  return { monotonicUs: us, wallUs: 1_700_000_000_000_000 + us + suspendedUs };
}

function leaseOf(...sentUs: number[]): ProcessLease {
  const lease = new ProcessLease(TTL_US);
  for (const us of sentUs) lease.acked(at(us));
  return lease;
}

describe("ProcessLease", () => {
  it("is valid from the first ack until one TTL after that renewal was sent", () => {
    expect(leaseOf().isValid(at(0))).toBe(false);
    expect(leaseOf(100).isValid(at(TTL_US + 99))).toBe(true);
    expect(leaseOf(100).isValid(at(TTL_US + 100))).toBe(false);
  });

  it("counts from the latest renewal, in whatever order the answers come", () => {
    expect(leaseOf(500, 100).isValid(at(TTL_US + 499))).toBe(true);
  });

  it("ends when the wall clock has moved by more than the TTL, either way", () => {
    expect(leaseOf(0).isValid(at(1, TTL_US - 1))).toBe(true);
    expect(leaseOf(0).isValid(at(1, TTL_US))).toBe(false);
    expect(leaseOf(0).isValid(at(1, -TTL_US - 2))).toBe(false);
  });

  it("is not prolonged while held, and then by what was acked meanwhile", () => {
    const lease = leaseOf(0);
    lease.hold();
    lease.acked(at(1_000_000));
    lease.acked(at(500_000));
    expect(lease.isValid(at(TTL_US))).toBe(false);
    lease.release();
    expect(lease.isValid(at(TTL_US + 999_999))).toBe(true);
    expect(lease.isValid(at(TTL_US + 1_000_000))).toBe(false);
  });

  it("counts from the first of two lost buckets as long as it is held", () => {
    const lease = leaseOf(0);
    lease.hold();
    lease.acked(at(1_000_000));
    lease.hold();
    lease.release();
    expect(lease.isValid(at(TTL_US - 1))).toBe(true);
    expect(lease.isValid(at(TTL_US))).toBe(false);
  });

  it("can be given up", () => {
    const lease = leaseOf(0);
    lease.hold();
    lease.drop();
    expect(lease.isValid(at(1))).toBe(false);
    lease.acked(at(2));
    expect(lease.isValid(at(3))).toBe(true);
  });

  it.each([200_000, TTL_US, 10_000_000])(
    "of %d µs is over before an observer whose clock is 10 % faster is through waiting",
    (ttlUs) => {
      expect(deadAfterUs(ttlUs) / 1.1).toBeGreaterThan(ttlUs);
      // Both wrong, by a twentieth each, in the worst direction.
      expect(deadAfterUs(ttlUs) / 1.05).toBeGreaterThan(ttlUs / 0.95);
    },
  );
});
