import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { parsePolicies } from "../../../admission/policy-schema.ts";
import { EXPERIMENTS } from "../../../bench/lab/experiments.ts";
import type { Experiment, Finding } from "../../../bench/lab/experiment.ts";
import type { Result } from "../../../bench/lab/result.ts";
import { sourcesOf, type Choice } from "../../../bench/lab/selection/choice.ts";
import { Evidence, missingResults, REQUIRED } from "../../../bench/lab/selection/evidence.ts";
import { choicesOf, selectionPage } from "../../../bench/lab/selection/page.ts";
import { readResults, selectionPath } from "../../../bench/lab/selection/selection-file.ts";
import { bytes, duration, percentage, perSecond, say } from "../../../bench/lab/selection/statement.ts";
import { measuredResults } from "./measured-results.ts";
import { CLAIMS } from "./selection-claims.ts";

const FOLDER = fileURLToPath(new URL("../../../docs/lab", import.meta.url));
const REMAKE = "run `npm run lab -- --selection`";

let results: Map<string, Result>;
beforeEach(async () => {
  results = await measuredResults();
});

function page(): string {
  return selectionPage(results, shown(), "lab");
}

function sectionOf(heading: string): string {
  return page().split(`\n## ${heading}\n`)[1]!.split("\n## ")[0]!;
}

/** Experiments that have a result here. */
function shown(): Experiment[] {
  return EXPERIMENTS.filter(({ name }) => results.has(name));
}

/** Rows that say all of `where` are changed. */
function change(experiment: string, where: Finding, to: Finding): void {
  const result = results.get(experiment)!;
  const isMeant = (row: Finding): boolean =>
    Object.entries(where).every(([name, value]) => row[name] === value);
  expect(result.rows.some(isMeant)).toBe(true);
  results.set(experiment, {
    ...result,
    rows: result.rows.map((row) => (isMeant(row) ? { ...row, ...to } : row)),
  });
}

/** All that was measured becomes more; what rows are called by stays. */
function stretched(row: Finding): Finding {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const isMeasured =
        /bytes|_pct$|per_s$|_us|per_gib|^decisions$/.test(column) && column !== "asked_per_s";
      return [column, isMeasured && typeof value === "number" ? value * 1.7 : value];
    }),
  );
}

/** A row of the experiment with the native module, where it could be built. */
function ofModule(row: Finding): Finding {
  return { state: "measured", limiter: null, unlike: null, ...row };
}

function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
}

function choices(): Choice[] {
  const { requirements, teams } = choicesOf(new Evidence(results));
  return [...requirements, ...teams];
}

describe("docs/SELECTION.md", () => {
  it("is what the committed results make, to the byte", async ({ skip }) => {
    const committed = await readResults(FOLDER);
    const missing = missingResults(committed);
    skip(missing.length > 0, `no committed result of ${missing.join(", ")}`);
    expect([...committed.values()].filter(({ quick }) => quick === true)).toEqual([]);
    const made = selectionPage(committed, EXPERIMENTS, "lab");
    expect(existsSync(selectionPath(FOLDER)), REMAKE).toBe(true);
    expect(await readFile(selectionPath(FOLDER), "utf8"), REMAKE).toBe(made);
    for (const link of linksOf(made).filter((target) => !target.startsWith("#"))) {
      expect(existsSync(new URL(link, new URL("../../../docs/", import.meta.url))), link).toBe(true);
    }
  });

  it("is not there as long as results it rests on are missing", async ({ skip }) => {
    skip(missingResults(await readResults(FOLDER)).length === 0, "all are there");
    expect(existsSync(selectionPath(FOLDER))).toBe(false);
  });
});

describe("the selection page", () => {
  it("answers six requirements and three teams, each with a number and a link to a result in its row", () => {
    const rows = page()
      .split("\n")
      .filter((line) => line.startsWith("| [") && line.includes("](#"));
    expect(rows).toHaveLength(9);
    for (const row of rows) {
      const [, need, take, because] = row
        .split(" | ")
        .map((cell) => cell.trim())
        .toSpliced(0, 0, "");
      expect(need).toMatch(/^\| \[.+\]\(#.+\)$/);
      expect(take).not.toBe("");
      expect(because).toMatch(/\d.*\(\[[a-z-]+\]\(lab\/[a-z-]+\.json\)/);
    }
  });

  it("says for each of them on what evidence, what else there is, why not that, and how to see for oneself", () => {
    const text = page();
    for (const choice of choices()) {
      const section = text.split(`\n### ${choice.need}\n`)[1]!.split("\n##")[0]!;
      expect(choice.evidence.length).toBeGreaterThanOrEqual(3);
      expect(choice.whyNot.length).toBeGreaterThanOrEqual(4);
      expect(section.match(/^- \*\*… .+\?\*\* \S/gm)).toHaveLength(choice.whyNot.length);
      for (const source of sourcesOf(choice)) expect(section).toContain(`](lab/${source}.json)`);
      expect(section).toContain(`Again: \`npm run lab -- ${sourcesOf(choice).join(" ")}\``);
    }
  });

  it("recommends policies that a policy file may hold", () => {
    for (const { policy, need } of choices()) {
      const fields = [...policy.matchAll(/([a-z]+): ([^,} ]+)/g)].map(([, name, value]) => {
        const filled = value!.replace(/^[NR]$/, "100").replace(/^W$/, "60s");
        return [name, /^\d+$/.test(filled) ? Number(filled) : filled] as const;
      });
      const document = {
        version: 1,
        policies: [{ name: "it", dimension: "key", ...Object.fromEntries(fields) }],
      };
      expect(parsePolicies(document, need).policies).toHaveLength(1);
    }
  });

  it("links to results and plots of the lab, and to its own headings", () => {
    const text = page();
    const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(
      ([, heading]) =>
        `#${heading!
          .toLowerCase()
          .replaceAll(/[^a-z0-9 -]/g, "")
          .replaceAll(" ", "-")}`,
    );
    const files = EXPERIMENTS.flatMap(({ name }) => [`lab/${name}.json`, `lab/${name}.svg`]);
    for (const link of linksOf(text)) expect([...headings, ...files, "lab"]).toContain(link);
  });

  it("rests on every result that it cannot do without, and names seed, machine, versions and commit of each", () => {
    const text = page();
    expect(EXPERIMENTS.map(({ name }) => name)).toEqual(expect.arrayContaining([...REQUIRED]));
    const before = text.split("\n## Plots\n")[0]!;
    for (const name of REQUIRED) expect(before).toContain(`](lab/${name}.json)`);
    expect(text).toContain(
      "| [hot-log](lab/hot-log.json) | 1 | 2026-01-02, machine 1 | 0123456789ab | 7.0.15 |",
    );
    expect(text).toContain("Machine 1: Abacus · 2 cores · 24 GiB · Node v24.0.0.");
    expect(text).toContain("| [burst-shaping](lab/burst-shaping.json) | 1 | exact | any | – |");
  });

  it.each(REQUIRED)("is another page when the numbers of %s are others", (name) => {
    const before = page();
    const result = results.get(name)!;
    results.set(name, { ...result, rows: result.rows.map(stretched) });
    expect(page()).not.toBe(before);
  });

  it("says what stands in the rows: the greatest of them, a share, a difference from the log", () => {
    change(
      "accuracy-memory",
      { limiter: "sliding counter", traffic: "scanner", limit: 50 },
      { over_admit_pct: 61.2 },
    );
    change(
      "accuracy-memory",
      { limiter: "sliding counter", traffic: "spiky", limit: 10 },
      { over_admit_pct: 72.3 },
    );
    change(
      "accuracy-memory",
      { limiter: "sliding counter", traffic: "web site", limit: 20 },
      { refused_pct: 19.411 },
    );
    change("burst-shaping", { limiter: "GCRA, τ = 0" }, { offered_per_s: 100, admitted_per_s: 20 });
    change("burst-shaping", { limiter: "GCRA, τ = 0", from_s: 0 }, { admitted_per_s: 50 });
    change("burst-shaping", { limiter: "GCRA, τ = 0", from_s: 0.2 }, { released_per_s: 93 });
    const text = page();
    expect(text).toContain("On real logs it is worst with 61.2 % too much, a fixed window with 100 %.");
    expect(text).toContain("up to 72.3 % too much on the lab's traffic");
    // The log refuses 9.311 % there.
    expect(text).toContain("than the log, the counter 10.1 percentage points.");
    // Twenty intervals before the burst: 50 once, 20 in the others.
    expect(text).toContain("(93/s at most)");
    expect(text).toContain("only 21.5 % of the requests before the burst pass");
  });

  it("means a bucket with the limit as burst where it says no other", () => {
    expect(page()).toContain("With the limit as burst they admit B + L: 99 % beyond it");
    expect(page()).toContain("of the two limits at the seam such a bucket admits 1.");
    expect(page()).toContain("finds 99 % beyond L of at most 100 %; with a tenth of it 9 % of at most 10 %.");
  });

  it("takes what a key costs from keys charged once, and says when they were charged more often", () => {
    expect(page()).toContain("takes 75 B each, with 10 units 315 B.");
    expect(page()).toContain("10,000,000 live keys take 191 MB of this process: 19.1 B each.");
    expect(page()).toContain("14.3 B a key here, 12.7 × less");
  });

  it("multiplies bytes a key by keys", () => {
    change("bytes-per-key", { algorithm: "gcra", backend: "redis" }, { bytes_per_key: 181.4 });
    expect(page()).toContain("| gcra | 181 B | 1.81 MB | 181 MB | 1.81 GB | 18.1 GB |");
    expect(page()).toContain(
      "| sliding-log, 100 units a key | 3.14 kB | 31.4 MB | 3.14 GB | 31.4 GB | 314 GB |",
    );
    expect(page()).toContain(
      "| sliding-log, 100 units a key | 1.52 kB | 15.2 MB | 1.52 GB | 15.2 GB | 152 GB |",
    );
  });

  it("has a row for every relief of a hot key that was measured, and what it is worth below the limit and above", () => {
    change(
      "hot-key-relief",
      { relief: "2 sub-keys", demand: "120 % of the limit" },
      { decisions_per_s: 311_000, refused_pct: 16.4 },
    );
    change("hot-key-relief", { relief: "one key", demand: "120 % of the limit" }, { refused_pct: 15.3 });
    const section = sectionOf("When one key is hot");
    expect(section).toContain("| 2 sub-keys | 1 | 330 k/s | 311 k/s | 0.90 | 0 % | 13.9 % |");
    expect(section.match(/^\| (?!relief|---)/gm)).toHaveLength(8);
    expect(section).toContain("Above the limit the key itself refuses 15.3 %.");
    for (const source of ["hot-keys", "fairness", "hot-key-relief"])
      expect(section).toContain(`](lab/${source}.json)`);
    expect(section).toContain("Again: `npm run lab -- hot-keys fairness hot-key-relief`");
  });

  it("counts how often the hottest key was the later one, and what a second server can be worth at most", () => {
    change("hot-keys", { traffic: "Zipf 1.1", place: "1 Redis" }, { hottest_p99_us: 4_700 });
    change("hot-keys", { traffic: "Zipf 1.4", place: "2 Redis" }, { busiest_place_pct: 80 });
    expect(page()).toContain("lie between 2.5 ms and 4.7 ms");
    expect(page()).toContain("of 6 measurements the hottest key is the later one in 4.");
    expect(page()).toContain(
      "does 80 % of the work, and all are done when it is, so 1.25 × is what there is to gain",
    );
  });

  it("says which expectations fell, as long as they do", () => {
    expect(sectionOf("Where the lab found otherwise")).toContain(
      "It is 80 %: an empty script with the same arguments takes 1.1 µs, GCRA 5.5 µs.",
    );
    expect(sectionOf("Where the lab found otherwise")).not.toContain("p99");
    change("local-and-redis", { backend: "redis" }, { p99_us: 82_400 });
    expect(sectionOf("Where the lab found otherwise")).toContain("at 82.4 ms.");
    // Nobody was to be as fast at a rate that was not asked for, as in a quick run.
    change("local-and-redis", { asked_per_s: 100_000 }, { asked_per_s: 20_000 });
    expect(sectionOf("Where the lab found otherwise")).not.toContain("p99");
    change("batching", { way: "empty script, pipelined" }, { redis_us_per_decision: 3 });
    expect(sectionOf("Where the lab found otherwise")).not.toContain("an empty script");
  });

  it("speaks of the native module as far as it was measured", () => {
    expect(page()).toContain("It is not measured here, because it was not built.");
    const [script, cell] = ["our script", "redis-cell"] as const;
    const rows = [
      ofModule({ decisions: 30_000, unlike: 0 }),
      ofModule({ decisions: 20_000, unlike: 0 }),
      ...[script, cell].flatMap((limiter, i) => [
        ofModule({ limiter, way: "one at a time", p50_us: 90 - i }),
        ofModule({
          limiter,
          way: "as fast as the server can",
          decisions_per_s: 111_000 * (i + 1),
          redis_us_per_decision: 6 - i,
        }),
      ]),
    ];
    results.set("redis-cell", {
      experiment: "redis-cell",
      title: "Cell",
      hypothesis: "Fast.",
      seed: 1,
      rows,
    });
    expect(page()).toContain("(0 of 50,000 differ beyond the moment between the two)");
    expect(page()).toContain("222 k/s instead of 111 k/s");
    change("redis-cell", { decisions: 20_000 }, { unlike: 3 });
    expect(page).toThrow("redis-cell decides as the script does");
    change("redis-cell", { decisions: 20_000 }, { unlike: 0 });
    change("redis-cell", { limiter: cell, way: "as fast as the server can" }, { decisions_per_s: 1 });
    expect(page).toThrow("native code is faster");
  });

  it("shows a result that it can do without, and says what is left out for want of one", () => {
    const experiments = shown();
    const more = { ...EXPERIMENTS[0]!, name: "tea-leaves", title: "Tea leaves" };
    const without = selectionPage(results, [...experiments, more], "lab");
    expect(without).toContain(
      "Left out for want of a result: `tea-leaves`. `npm run lab -- tea-leaves` makes it.",
    );
    expect(page()).not.toContain("Left out");
    const result = { experiment: more.name, title: more.title, hypothesis: "Rain.", seed: 3, rows: [] };
    results.set(more.name, result);
    const present = selectionPage(results, [...experiments, more], "lab");
    expect(present).toContain("![Tea leaves](lab/tea-leaves.svg)");
    expect(present).toContain("`npm run lab -- --seed 3 tea-leaves`");
  });
});

describe("what the results do not bear out", () => {
  it("are results that are not there: all are named at once, with the command that makes them", () => {
    results.delete("hot-log");
    results.delete("accuracy-memory");
    expect(page).toThrow(
      /^no result of hot-log, accuracy-memory: .* run `npm run lab -- hot-log accuracy-memory`$/,
    );
  });

  it("is a row or a column that is not there, or is there twice", () => {
    change("hot-log", { admitted: 100 }, { admitted: 101 });
    expect(page).toThrow(/^hot-log has no row of \{"backend":"redis",.*"admitted":100\}; run it again$/);
    change("hot-log", { admitted: 101 }, { admitted: 100 });
    change("batching", { batch: 1 }, { p50_us: null });
    expect(page).toThrow(/^batching has no number "p50_us" where .*; run it again$/);
    change("batching", { batch: 1 }, { p50_us: 7 });
    change("several-redis", { servers: 2 }, { servers: 3 });
    expect(page).toThrow(/^several-redis has 2 rows of .*, one is meant$/);
  });

  it.each(CLAIMS)("is a sentence: %s", (words, experiment, where, to) => {
    change(experiment, where, to);
    expect(page).toThrow(
      new RegExp(`^the results no longer say that ${words}.*: change the sentence in bench/lab/`),
    );
  });

  it("is not looked for in a quick run, which the page calls by its name", () => {
    change("expiry", { at_s: 16.5 }, { keys: 1 });
    results.set("expiry", { ...results.get("expiry")!, quick: true });
    expect(page()).toContain("**Made of a quick run.**");
  });
});

describe("a statement", () => {
  it("takes its numbers from results, and refuses one among its words", () => {
    const figure = { text: "14.3 B", from: "bytes-per-key" };
    expect(say`p99, 2·L and 1/√L; ${figure}, ${figure}.`).toEqual({
      text: "p99, 2·L and 1/√L; 14.3 B, 14.3 B.",
      from: ["bytes-per-key"],
    });
    expect(() => say`it takes 14 bytes`).toThrow(/^a number is typed by hand: "it takes 14 bytes"/);
    expect(() => say`${figure} of 14.3`).toThrow(/typed by hand/);
  });

  it("shows three digits of what is measured, in the unit at hand", () => {
    expect([999.4, 999.6, 14.31, 1_234_567_890].map(bytes)).toEqual(["999 B", "1 kB", "14.3 B", "1.23 GB"]);
    expect([0.2849, 1_730, 2.5e6].map(duration)).toEqual(["0.285 µs", "1.73 ms", "2.5 s"]);
    expect([812, 8_123_456].map(perSecond)).toEqual(["812/s", "8.12 M/s"]);
    expect([0, 0.012, 0.96, 99.739].map(percentage)).toEqual(["0 %", "0.012 %", "1 %", "99.7 %"]);
  });
});
