/**
 * One key that is asked more than its place can answer: where the ceiling is, who feels it, what relieves it and what
 * that costs in accuracy. It is the same question for every row of the matrix, so it is answered beside them.
 */
import { median } from "../../report.ts";
import { worked, type Evidence } from "./evidence.ts";
import type { Known } from "./known.ts";
import { cited, command, table } from "./markdown.ts";
import {
  count,
  duration,
  percentage,
  perSecond,
  say,
  times,
  type Figure,
  type Statement,
  type Unit,
} from "./statement.ts";

const BELOW = "90 % of the limit";
const ABOVE = "120 % of the limit";
const IN_BURSTS = "30 %, in bursts 5–10 times that";
const ONE_KEY = "one key";
const AHEAD = "10 fetched ahead";
const FAR_AHEAD = "500 fetched ahead";
const SPLIT = "8 sub-keys";
const SPLIT_IN_PLACE = "8 sub-keys, same Redis";
const UNEVEN = "4 sub-keys, by uneven client";

export function hotKeyText(known: Known, folder: string): string {
  const { evidence } = known;
  const told: readonly Statement[] = [
    ceiling(evidence),
    skew(evidence),
    lateness(evidence),
    neighbours(evidence),
  ];
  const advice: readonly Statement[] = [aheadHelps(evidence), subKeysHelp(evidence), ownerHelps(evidence)];
  const bullets = (statements: readonly Statement[]): string =>
    statements.map((statement) => `- ${cited(statement, folder)}`).join("\n");
  const sources = [...new Set([...told, ...advice].flatMap(({ from }) => from))];
  return [
    "A key lives in one place, and its decisions are made there one after the other, whatever its limiter.",
    bullets(told),
    "What relieves one key in Redis, and at what price:",
    reliefs(evidence),
    cited(
      say`Decisions a second are what there can be when nobody waits for the trace's moments: of one key and of sub-keys by the servers, of units fetched ahead by one process with four clients in it. Trips and refusals are those below the limit; too much is in percent of the burst, in traffic that comes in bursts. Above the limit the key itself refuses ${refused(evidence, ONE_KEY)}.`,
      folder,
    ),
    bullets(advice),
    `Again: ${command(sources)}`,
  ].join("\n\n");
}

/** How many times as much two servers make as one. */
function secondServer(evidence: Evidence, traffic: string): number {
  const [one, two] = ["1 Redis", "2 Redis"].map((place) =>
    evidence.value("hot-keys", { traffic, place }, "decisions_per_s"),
  );
  return two! / one!;
}

function ceiling(evidence: Evidence) {
  const at = (place: string, column: string, unit: Unit) =>
    evidence.figure("hot-keys", { traffic: "one key", place }, column, unit);
  const busy = evidence.value("hot-keys", { traffic: "one key", place: "1 Redis" }, "redis_cpu_pct");
  evidence.claim("a second Redis does nothing for one key", secondServer(evidence, "one key") < 1.15);
  evidence.claim("one key keeps its Redis busy", busy > 90);
  return say`The ceiling is one thread. A Redis runs scripts on one, and with a single key, asked as fast as it goes, that one is ${worked("hot-keys", busy, percentage)} busy at ${at("1 Redis", "decisions_per_s", perSecond)}; a second Redis makes it ${worked("hot-keys", secondServer(evidence, "one key"), times)} as many. The owner of a shard here is one thread too: ${at("1 shard here", "decisions_per_s", perSecond)}, before anybody has sent it a message.`;
}

function skew(evidence: Evidence) {
  const [flat, usual, steep] = ["Zipf 0.8", "Zipf 1.1", "Zipf 1.4"] as const;
  const gain = (traffic: string) => worked("hot-keys", secondServer(evidence, traffic), times);
  const share = (traffic: string) =>
    evidence.figure("hot-keys", { traffic, place: "1 Redis" }, "hottest_pct", percentage);
  const busiest = evidence.value("hot-keys", { traffic: steep, place: "2 Redis" }, "busiest_place_pct");
  evidence.claim(
    "a second Redis does less for steep traffic",
    secondServer(evidence, steep) < secondServer(evidence, flat),
  );
  return say`Skew decides what more servers are worth. With ${share(flat)} of the asks on the hottest key a second Redis makes ${gain(flat)} as many, with ${share(usual)} ${gain(usual)}, with ${share(steep)} ${gain(steep)}: the server that has the key then does ${worked("hot-keys", busiest, percentage)} of the work, and all are done when it is, so ${worked("hot-keys", 100 / busiest, times)} is what there is to gain.`;
}

const measured = (value: number, unit: Unit): Figure => worked("hot-keys", value, unit);

function lateness(evidence: Evidence) {
  const both = evidence
    .rows("hot-keys")
    .filter((row) => row["median_p99_us"] !== null && String(row["place"]).endsWith("Redis"))
    .map((row) => ({ hottest: row["hottest_p99_us"] as number, middle: row["median_p99_us"] as number }));
  const later = both.filter(({ hottest, middle }) => hottest > middle).length;
  const asked = Math.max(...evidence.rows("hot-keys").map((row) => row["asked_per_s"] as number));
  const all = both.flatMap(({ hottest, middle }) => [hottest, middle]);
  evidence.claim(
    "the hottest key is not the later one as a rule",
    median(both.map(({ hottest, middle }) => hottest / middle)) < 3,
  );
  return say`Being hot does not make a key's own asks late: they stand in the same queue as everybody's. At ${measured(asked, perSecond)}, far below the ceiling, the p99 of the hottest key and that of keys about the median lie between ${measured(Math.min(...all), duration)} and ${measured(Math.max(...all), duration)}, as pauses of the machine fall, and of ${measured(both.length, count)} measurements the hottest key is the later one in ${measured(later, count)}.`;
}

function neighbours(evidence: Evidence) {
  const p99 = (place: string, flood: string) => evidence.value("fairness", { place, flood }, "cold_p99_us");
  const told = (place: string, flood: string) => worked("fairness", p99(place, flood), duration);
  const [crowd, elsewhere] = ["16 connections, pipelined", "4 connections, to another Redis"] as const;
  const turn = "1,000 between two turns";
  evidence.claim(
    "a cold key waits for a hot one in its Redis",
    p99("redis", crowd) > 3 * p99("redis", "none"),
  );
  evidence.claim(
    "a hot key on another Redis is not felt",
    p99("redis", elsewhere) < 0.5 * p99("redis", "4 connections, pipelined"),
  );
  return say`Everybody in that queue pays. The p99 of cold keys is ${told("redis", "none")} alone, ${told("redis", "1 connection, pipelined")} beside one connection that floods their Redis, ${told("redis", "4 connections, pipelined")} beside four, ${told("redis", crowd)} beside sixteen: Redis takes turns between connections, so who floods by many gets many turns. With the hot key on another Redis it is ${told("redis", elsewhere)}. A shard here that makes ${evidence.figure("fairness", { place: "here", flood: turn }, "hot_per_s", perSecond)} of a hot key has an answer for a cold one in ${told("here", turn)}.`;
}

/** Of all requests, above the limit. */
function refused(evidence: Evidence, relief: string) {
  return evidence.figure("hot-key-relief", { demand: ABOVE, relief }, "refused_pct", percentage);
}

const ratio: Unit = (value) => value.toPrecision(2);

function reliefs(evidence: Evidence): string {
  const rows = evidence.rows("hot-key-relief", { demand: BELOW }).map(({ relief, servers }) => {
    const cell = (demand: string, column: string, unit: Unit): string =>
      evidence.figure("hot-key-relief", { demand, relief: relief! }, column, unit).text;
    return [
      String(relief),
      String(servers),
      cell(BELOW, "decisions_per_s", perSecond),
      cell(ABOVE, "decisions_per_s", perSecond),
      cell(BELOW, "round_trips_per_decision", ratio),
      cell(IN_BURSTS, "over_admit_pct", percentage),
      cell(BELOW, "under_admit_pct", percentage),
    ];
  });
  return table(
    [
      "relief",
      "servers",
      `at ${BELOW}`,
      `at ${ABOVE}`,
      "trips a decision",
      "too much",
      "refused without need",
    ],
    rows,
  );
}

function aheadHelps(evidence: Evidence) {
  const value = (demand: string, relief: string, column: string) =>
    evidence.value("hot-key-relief", { demand, relief }, column);
  const told = (demand: string, relief: string, column: string, unit: Unit) =>
    evidence.figure("hot-key-relief", { demand, relief }, column, unit);
  evidence.claim(
    "units fetched ahead save round trips",
    value(BELOW, AHEAD, "round_trips_per_decision") < 0.5 * value(BELOW, ONE_KEY, "round_trips_per_decision"),
  );
  evidence.claim(
    "units fetched ahead are no help above the limit",
    value(ABOVE, AHEAD, "decisions_per_s") < 1.25 * value(ABOVE, ONE_KEY, "decisions_per_s"),
  );
  return say`**Units fetched ahead**, for a key that is popular and below its limit: ten at a time are ${told(BELOW, AHEAD, "round_trips_per_decision", ratio)} round trips a decision and ${told(BELOW, AHEAD, "p99_us", duration)} at p99 instead of ${told(BELOW, ONE_KEY, "p99_us", duration)}, for ${told(IN_BURSTS, AHEAD, "over_admit_pct", percentage)} of the burst too much when it comes in bursts. Keep clients times batch small beside the burst: five hundred at a time are ${told(IN_BURSTS, FAR_AHEAD, "over_admit_pct", percentage)}. Against a flood it is no relief: above the limit the key is empty, there is nothing to fetch but what drips in, and everybody asks (${told(ABOVE, AHEAD, "decisions_per_s", perSecond)} beside ${told(ABOVE, ONE_KEY, "decisions_per_s", perSecond)}).`;
}

function subKeysHelp(evidence: Evidence) {
  const speed = (relief: string) =>
    evidence.value("hot-key-relief", { demand: BELOW, relief }, "decisions_per_s");
  const figure = (relief: string) => worked("hot-key-relief", speed(relief), perSecond);
  const needless = (relief: string) =>
    evidence.value("hot-key-relief", { demand: BELOW, relief }, "under_admit_pct");
  evidence.claim("sub-keys need servers", speed(SPLIT_IN_PLACE) < 1.15 * speed(ONE_KEY));
  evidence.claim("sub-keys on two servers raise the ceiling", speed(SPLIT) > 1.4 * speed(ONE_KEY));
  evidence.claim("sub-keys refuse uneven clients without need", needless(UNEVEN) > 1);
  return say`**Sub-keys**, for a key that must never get too much: eight with an eighth of rate and burst each make ${figure(SPLIT)} on two servers and ${figure(SPLIT_IN_PLACE)} on one, where one key makes ${figure(ONE_KEY)}. It takes servers, not names. Draw the sub-key at random for each request: whoever is refused by an empty one although others are full is refused without need, ${worked("hot-key-relief", needless(UNEVEN), percentage)} of the requests where four clients of unequal size have one each. Above the limit they hold, and refuse ${refused(evidence, SPLIT)}, hardly more than the one key.`;
}

function ownerHelps(evidence: Evidence) {
  const speed = (place: string) =>
    evidence.value("hot-keys", { traffic: "one key", place }, "decisions_per_s");
  const [here, there] = [speed("1 shard here"), speed("1 Redis")];
  evidence.claim("an owner's memory is the highest ceiling", here > 10 * there);
  return say`**An owner in memory**, where the key can have one: ${worked("hot-keys", here / there, times)} the ceiling of a Redis, at no price in accuracy; what reaches it by the network is then the limit.`;
}
