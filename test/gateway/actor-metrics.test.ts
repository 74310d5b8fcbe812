/** What a census says, as Prometheus reads it. */
import { describe, expect, it } from "vitest";
import type { MemberObservation } from "../../actors/observation.ts";
import { takeCensus } from "../../actors/region-census.ts";
import { ParlError } from "../../core/errors.ts";
import { LatencyHistogram } from "../../core/latency-histogram.ts";
import { micros } from "../../core/units.ts";
import { ActorMetrics } from "../../gateway/actor-metrics.ts";
import { PrometheusExporter } from "../../telemetry/prometheus.ts";
import { IDLE_PROCESS } from "../actors/idle-process.ts";
import { parsePrometheusText, sumOf, type ScrapedSample } from "../harness/prometheus-text.ts";

const LATENCY = [...new LatencyHistogram().counts];
/** What may tell series apart: all of it chosen by operators or by PARL, none by callers. */
const LABELS = new Set(
  "region process policy algorithm result error what end doubt kind side why direction how quantile le".split(
    " ",
  ),
);

function process(member: string, wish: Partial<MemberObservation> = {}): MemberObservation {
  return {
    ...IDLE_PROCESS,
    region: "eu",
    member,
    shards: 8,
    owned: [],
    keys: 0,
    bytes: 0,
    evictedLive: 0,
    overflowed: 0,
    policies: [],
    decisions: [],
    errors: {},
    stepLatencyCounts: LATENCY,
    ...wish,
  };
}

/** Two of the codes are not known here. */
const NEWER_ERRORS = { PARL_MALFORMED: 2, PARL_NEW_ONE: 1, PARL_OTHER: 2 } as MemberObservation["errors"];
const owned = (shard: number, due: number) => ({ shard, due, epoch: 1, sinceUs: 0, decided: 0, keys: 3 });

const BUSY = process("eu-1", {
  clockUs: 1_700_000_000_500_000,
  owned: [owned(0, 5), owned(1, 6)],
  keys: 6,
  fenced: 7,
  policies: [{ name: "per-org", keys: 6 }],
  decisions: [{ policy: "per-org", algorithm: "gcra", outcome: "denied", count: 9 }],
  errors: NEWER_ERRORS,
  tallies: {
    checks: { late: 11, waiting: 12 },
    strays: { misplaced: 13, unowned: 14 },
    foreignClocks: { ahead: 15, behind: 16 },
    denials: { firm: 1, lent: 2, elsewhere: 3, unheard: 4 },
    waits: {
      allowed: 1,
      denied: 2,
      silentAllowed: 3,
      silentDenied: 4,
      sparedAllowed: 8,
      sparedDenied: 9,
      crowded: 5,
      settled: 6,
      moved: 7,
    },
    lent: {
      rows: 1,
      units: 2,
      granted: 30,
      spent: 4,
      returned: 5,
      forfeited: 6,
      arrived: 7,
      gone: 8,
      full: 9,
      stale: 10,
      fromDead: 11,
      recalls: 12,
    },
    borrowed: {
      rows: 1,
      asked: 10,
      reports: 3,
      resent: 4,
      late: 5,
      expired: 6,
      givenUp: 7,
      owed: 8,
      owedLost: 9,
    },
    held: { now: 1, total: 2, expired: 3 },
    writes: { stored: 1, unanswered: 2, refused: 3, superseded: 4 },
    openings: { fresh: 1, recovered: 2, continued: 3, exhausted: 4, rewritten: 5 },
    handoffs: {
      given: 1,
      taken: 2,
      aborted: 3,
      lost: 4,
      frozenUs: 2_500_000,
      frozenMaxUs: 2_000_000,
      undecidedUs: 3_000_000,
      dropped: 6,
      refused: 7,
    },
    fenced: { answers: 8 },
    refused: { overloadedLanes: 1, badRecords: 2 },
    operators: { done: 1, refused: 2, linesWritten: 3, linesLost: 4 },
  },
});

async function rendered(...seen: MemberObservation[]): Promise<string> {
  const home = {
    address: { name: "eu", servers: [] },
    observeRegion: () =>
      seen.length > 0
        ? Promise.resolve(takeCensus(seen))
        : Promise.reject(new ParlError("PARL_UNAVAILABLE", "nobody")),
  };
  const metrics = new ActorMetrics(home);
  return new PrometheusExporter([() => metrics.families(micros(0))]).render();
}

async function scraped(...seen: MemberObservation[]): Promise<ScrapedSample[]> {
  return parsePrometheusText(await rendered(...seen));
}

describe("the metrics of a region's processes", () => {
  it.each([
    ["shards", {}, 2],
    ["journal_keys_due", {}, 11],
    ["clock_seconds", {}, 1_700_000_000.5],
    ["fenced_total", { what: "undecided" }, 7],
    ["fenced_total", { what: "answer" }, 8],
    ["overloaded_lanes_total", {}, 1],
    ["lease_records_unreadable_total", {}, 2],
    ["checks_late_total", {}, 11],
    ["checks_waiting", {}, 12],
    ["strays_total", { what: "misplaced" }, 13],
    ["strays_total", { what: "unowned" }, 14],
    ["foreign_clocks_total", { what: "ahead" }, 15],
    ["foreign_clocks_total", { what: "behind" }, 16],
    ["waits_total", { end: "allowed" }, 1],
    ["waits_total", { end: "denied" }, 2],
    ["waits_total", { end: "silent_allowed" }, 3],
    ["waits_total", { end: "silent_denied" }, 4],
    ["waits_total", { end: "spared_allowed" }, 8],
    ["waits_total", { end: "spared_denied" }, 9],
    ["waits_total", { end: "crowded" }, 5],
    ["waits_total", { end: "settled" }, 6],
    ["waits_total", { end: "moved" }, 7],
    ["denials_total", { doubt: "firm" }, 1],
    ["denials_total", { doubt: "lent" }, 2],
    ["denials_total", { doubt: "elsewhere" }, 3],
    ["denials_total", { doubt: "unheard" }, 4],
    ["borrows_total", { kind: "units" }, 7],
    ["borrows_total", { kind: "report" }, 3],
    ["borrows_total", { kind: "again" }, 4],
    ["units_lent", {}, 2],
    ["units_granted_total", {}, 30],
    ["units_spent_total", {}, 4],
    ["units_returned_total", {}, 5],
    ["units_forfeited_total", {}, 6],
    ["units_moved_total", { direction: "in" }, 7],
    ["units_moved_total", { direction: "out" }, 8],
    ["loan_rows", { side: "home" }, 1],
    ["loan_rows", { side: "holder" }, 1],
    ["loan_book_full_total", {}, 9],
    ["recalls_total", {}, 12],
    ["loan_messages_ignored_total", { why: "stale" }, 10],
    ["loan_messages_ignored_total", { why: "dead_holder" }, 11],
    ["loan_messages_ignored_total", { why: "late" }, 5],
    ["borrowed_units_expired_total", {}, 6],
    ["balances_given_up_total", {}, 7],
    ["owed_units_total", {}, 8],
    ["owed_units_lost_total", {}, 9],
    ["answers_waiting", {}, 1],
    ["answers_held_total", {}, 2],
    ["answers_given_up_total", {}, 3],
    ["journal_writes_total", { result: "stored" }, 1],
    ["journal_writes_total", { result: "unanswered" }, 2],
    ["journal_writes_total", { result: "refused" }, 3],
    ["journal_superseded_total", {}, 4],
    ["shard_openings_total", { how: "fresh" }, 1],
    ["shard_openings_total", { how: "recovered" }, 2],
    ["shard_openings_total", { how: "continued" }, 3],
    ["shard_openings_total", { how: "exhausted" }, 4],
    ["shard_openings_total", { how: "rewritten" }, 5],
    ["handoffs_total", { end: "given" }, 1],
    ["handoffs_total", { end: "taken" }, 2],
    ["handoffs_total", { end: "aborted" }, 3],
    ["handoffs_total", { end: "lost" }, 4],
    ["handoff_frozen_seconds_total", {}, 2.5],
    ["handoff_messages_dropped_total", {}, 6],
    ["handoff_messages_refused_total", {}, 7],
    ["operator_calls_total", { result: "done" }, 1],
    ["operator_calls_total", { result: "refused" }, 2],
    ["audit_lines_total", { result: "written" }, 3],
    ["audit_lines_total", { result: "lost" }, 4],
  ])("are %s %j = %d, of each process apart", async (name, labels, value) => {
    const samples = await scraped(BUSY, { ...BUSY, member: "eu-2" });
    for (const one of ["eu-1", "eu-2"]) {
      expect(sumOf(samples, `parl_actor_${name}`, { region: "eu", process: one, ...labels })).toBe(value);
    }
    expect(sumOf(samples, `parl_actor_${name}`, labels)).toBe(2 * value);
  });

  it("tell what nobody claims, and who is there", async () => {
    const samples = await scraped(BUSY, process("eu-2", { owned: [owned(4, 0)] }));
    expect(sumOf(samples, "parl_actor_up", { region: "eu" })).toBe(1);
    expect(sumOf(samples, "parl_actor_processes", { region: "eu" })).toBe(2);
    expect(sumOf(samples, "parl_actor_shards_unowned", { region: "eu" })).toBe(5);
  });

  it("put errors that only a newer process knows into one series", async () => {
    const samples = await scraped(BUSY);
    expect(sumOf(samples, "parl_actor_errors_total", { error: "unknown" })).toBe(3);
    expect(sumOf(samples, "parl_actor_errors_total", { error: "malformed" })).toBe(2);
  });

  it("leave out what a process of an earlier version does not tell", async () => {
    const before = process("eu-2");
    delete (before as { tallies?: unknown }).tallies;
    const samples = await scraped(BUSY, before);
    const names = samples.filter(({ labels }) => labels["process"] === "eu-2").map(({ name }) => name);
    expect(names).toContain("parl_actor_uptime_seconds");
    expect(names).not.toContain("parl_actor_units_lent");
    const wrong = samples.filter(({ name, value }) => name.startsWith("parl_") && !Number.isFinite(value));
    expect(wrong).toEqual([]);
  });

  it("do not fall when a process is missing once, so that rates go on", async () => {
    const both = await scraped(BUSY, { ...BUSY, member: "eu-2" });
    const alone = await scraped(BUSY);
    const counted = [both, alone].map((samples) =>
      sumOf(samples, "parl_actor_decisions_total", { process: "eu-1" }),
    );
    expect(counted).toEqual([9, 9]);
  });

  it("are nothing but parl_actor_up 0 when nobody answers", async () => {
    const text = await rendered();
    const lines = text.split("\n").filter((line) => line.startsWith("parl_"));
    expect(lines).toEqual(['parl_actor_up{region="eu"} 0']);
  });

  it("are families with names, types and words as Prometheus has them, and no series twice", async () => {
    const text = await rendered(BUSY, process("eu-2"));
    const helps = [...text.matchAll(/^# HELP (parl_\S+) (.*)$/gm)];
    const types = new Map(
      [...text.matchAll(/^# TYPE (parl_\S+) (\w+)$/gm)].map(([, name, type]) => [name, type]),
    );
    expect(helps.length).toBe(types.size);
    for (const [, name = "", help = ""] of helps) {
      expect(name).toMatch(/^parl_actor_[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
      expect([name, name.endsWith("_total")]).toEqual([name, types.get(name) === "counter"]);
      expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z1].*\.$/)]);
      expect([name, name.replace(/_total$/, "")]).toEqual([
        name,
        expect.not.stringMatching(/_(?:us|ms)(?:_|$)/),
      ]);
    }
    // One name must not be a gauge and, without its ending, a counter.
    const bare = [...types.keys()].map((name) => name?.replace(/_total$/, ""));
    expect(new Set(bare).size).toBe(bare.length);
    const samples = parsePrometheusText(text).filter(({ name }) => name.startsWith("parl_"));
    const series = samples.map(({ name, labels }) => JSON.stringify([name, labels]));
    expect(new Set(series).size).toBe(series.length);
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    expect([...labels].filter((label) => !LABELS.has(label))).toEqual([]);
  });
});
