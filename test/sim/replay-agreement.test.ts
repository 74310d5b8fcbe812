/**
 * Three ways to the same decisions over real traffic: recorded, decided again, and by the exact oracle, for
 * every algorithm. Beside the log's own times the excerpts run at the times of an accelerated replay, which
 * fall between the ticks of every window.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { OracleReference } from "../../cli/replay/oracle-reference.ts";
import { Prng } from "../../core/prng.ts";
import { micros } from "../../core/units.ts";
import type { LoggedCheck } from "../../sim/check-mapping.ts";
import {
  DecisionLogReader,
  renderDecisionLog,
  type DecisionLog,
  type DecisionRow,
} from "../../sim/decision-log.ts";
import { LoggedTrafficReader } from "../../sim/logged-traffic.ts";
import { OfflineDecider } from "../../sim/offline-decider.ts";
import { Redecision } from "../../sim/redecide.ts";

const root = new URL("../../", import.meta.url);
const policies = readFileSync(new URL("deploy/policies/replay-all-algorithms.yaml", root), "utf8");
const document = parsePolicyText(policies, "replay-all-algorithms.yaml");

function checksOf(excerpt: string): readonly LoggedCheck[] {
  const reader = new LoggedTrafficReader({ tenant: ALGORITHMS, key: "ip", user: null });
  reader.push(readFileSync(new URL(`test/fixtures/logs/${excerpt}`, root)));
  return reader.end().checks;
}

/** The log's times at `factor` times their speed, each off by up to a millisecond, never backwards. */
function accelerated(checks: readonly LoggedCheck[], factor: number): LoggedCheck[] {
  const prng = new Prng(1);
  let latestUs = 0;
  return checks.map((check) => {
    latestUs = Math.max(latestUs, Math.round(check.atUs / factor) + prng.below(1_000));
    return { ...check, atUs: micros(latestUs) };
  });
}

function record(checks: readonly LoggedCheck[]): DecisionLog {
  const decider = new OfflineDecider(document);
  const rows = checks.map((check, sequence): DecisionRow => {
    const asked = { ...check, cost: 1 };
    const moment = { nowUs: check.atUs, sequence, region: "eu", blind: false };
    return { ...asked, ...decider.decide(asked, check.atUs), ...moment };
  });
  return { accessLogSha256: "", policies, rows, unanswered: 0 };
}

function reread(log: DecisionLog): DecisionLog {
  const reader = new DecisionLogReader();
  for (const line of renderDecisionLog(log)) reader.push(new TextEncoder().encode(line));
  return reader.end();
}

describe.each(["semicomplete-excerpt.log", "acunetix-excerpt.log"])("the traffic of %s", (excerpt) => {
  it.each([1, 7.3, 100])("at %d times its speed is decided alike by everybody", (factor) => {
    const log = reread(record(accelerated(checksOf(excerpt), factor)));
    const redecision = new Redecision(document, () => new OracleReference(document));
    for (const row of log.rows) redecision.add(row);
    expect(redecision.examples).toEqual([]);
    expect(redecision.decisions).toBe(checksOf(excerpt).length);
    expect([...redecision.policies.keys()].toSorted()).toEqual(
      ALGORITHMS.map((name) => `replay-${name}`).toSorted(),
    );
    for (const { denied } of redecision.policies.values()) expect(denied).toBeGreaterThan(20);
  });
});
