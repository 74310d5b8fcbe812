/** `parl shards`: who owns what in a region, since when, and how busy it is. */
import { setTimeout as passed } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  countsBetween,
  countsOf,
  figuresOf,
  type BorrowingCounts,
  type BorrowingFigures,
} from "../actors/borrowing-figures.ts";
import type { OwnedShard } from "../actors/observation.ts";
import type { RegionObservation } from "../actors/region-census.ts";
import { REGION_SUBJECT } from "../actors/subjects.ts";
import { connectRegion, type RegionAddress } from "../client/connect-region.ts";
import { ParlError, shown } from "../core/errors.ts";
import { US_PER_MS } from "../core/units.ts";
import { EXIT_FAILED, EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { percent, table, type Cell } from "./table.ts";

const ANSWER_WITHIN_MS = 2_000;
const MS_PER_S = 1_000;
const NOTHING: BorrowingCounts = { checks: 0, late: 0, borrows: 0, denied: 0, doubtful: 0 };

const FLAGS = {
  regions: REGIONS_FLAG,
  each: { type: "boolean", about: "List every shard, not only the processes." },
  "watch-ms": {
    type: "string",
    value: "<ms>",
    default: "1000",
    about: "How long to watch, to tell how busy each is.",
  },
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

interface ShardLine extends OwnedShard {
  readonly region: string;
  readonly member: string;
  readonly checksPerS: number;
}

/** What a process did while it was watched. */
interface ProcessLine extends BorrowingCounts, BorrowingFigures {
  readonly region: string;
  readonly member: string;
}

interface Watched {
  readonly unowned: number;
  readonly lines: readonly ShardLine[];
  readonly processes: readonly ProcessLine[];
}

export const shards: Command = {
  name: "shards",
  summary: "show who owns which shard, since when, and how busy it is",
  help: helpText({
    usage: "parl shards [region] [flags]",
    about:
      "Asks every process of the region twice and compares: checks a second, how many of them were decided at\nonce, without waiting for rights of another process, and how often it had to ask for some. Exit code 1\nwhen a shard has no owner.",
    flags: FLAGS,
    examples: ["parl shards", "parl shards eu --each", "parl shards eu --json"],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["[region]?"]);
    const regions = chosen(parseRegionList(flags.regions), positionals[0]);
    const watchMs = wholeNumber("watch-ms", flags["watch-ms"], 1, 60_000);
    const seen = await Promise.all(regions.map((region) => watched(region, watchMs, io.signal)));
    const lines = seen.flatMap((each) => each.lines);
    const unowned = seen.reduce((sum, each) => sum + each.unowned, 0);
    const processes = seen.flatMap((each) => each.processes);
    if (flags.json) io.stdout.write(`${JSON.stringify({ unowned, shards: lines, processes })}\n`);
    else io.stdout.write(flags.each ? everyShard(lines) : everyMember(lines, processes));
    if (unowned === 0) return EXIT_OK;
    io.complain(new ParlError("PARL_UNAVAILABLE", `${unowned} shards have no owner that answers`));
    return EXIT_FAILED;
  },
};

function chosen(regions: readonly RegionAddress[], name: string | undefined): readonly RegionAddress[] {
  if (name === undefined) return regions;
  const region = regions.find((each) => each.name === name);
  if (region !== undefined) return [region];
  const known = regions.map((each) => each.name).join(", ");
  throw new UsageError(`region must be one of ${known} (--regions adds more), got ${shown(name)}`, "region");
}

async function watched(region: RegionAddress, watchMs: number, signal: AbortSignal): Promise<Watched> {
  const nats = await connectRegion(region);
  try {
    const before = await census(nats, region.name);
    await passed(watchMs, undefined, { signal });
    const after = await census(nats, region.name);
    return {
      unowned: after.unowned,
      lines: compared(before, after, watchMs),
      processes: comparedProcesses(before, after),
    };
  } finally {
    await nats.close();
  }
}

async function census(nats: NatsConnection, region: string): Promise<RegionObservation> {
  try {
    return (await nats.request(REGION_SUBJECT, "", { timeout: ANSWER_WITHIN_MS })).json<RegionObservation>();
  } catch (cause) {
    const message = `no process of region ${region} answers; start one with parl actor --region ${region}`;
    throw new ParlError("PARL_UNAVAILABLE", message, { field: "region", cause });
  }
}

function compared(before: RegionObservation, after: RegionObservation, watchMs: number): ShardLine[] {
  const decidedBefore = new Map<string, number>();
  for (const { member, owned } of before.members) {
    for (const { shard, epoch, decided } of owned) decidedBefore.set(`${member} ${shard} ${epoch}`, decided);
  }
  const lines = after.members.flatMap(({ member, owned }) =>
    owned.map((shard) => {
      // A shard that has just moved starts counting anew.
      const earlier = decidedBefore.get(`${member} ${shard.shard} ${shard.epoch}`) ?? 0;
      const checksPerS = ((shard.decided - earlier) * MS_PER_S) / watchMs;
      return { region: after.region, member, ...shard, checksPerS: Math.round(checksPerS) };
    }),
  );
  return lines.toSorted((a, b) => a.shard - b.shard);
}

function comparedProcesses(before: RegionObservation, after: RegionObservation): ProcessLine[] {
  const earlier = new Map(before.members.map((seen) => [seen.member, countsOf(seen)]));
  return after.members.map((seen) => {
    const now = countsOf(seen);
    // One that has joined meanwhile counts from nothing.
    const counts = countsBetween(earlier.get(seen.member) ?? NOTHING, now);
    return { region: after.region, member: seen.member, ...counts, ...figuresOf(counts) };
  });
}

function everyShard(lines: readonly ShardLine[]): string {
  const rows = lines.map(({ region, shard, member, sinceUs, epoch, keys, due, checksPerS }) => [
    region,
    shard,
    member,
    moment(sinceUs),
    String(epoch),
    keys,
    due,
    checksPerS,
  ]);
  return table(["region", "shard", "owner", "since", "epoch", "keys", "to write", "checks/s"], rows);
}

function everyMember(lines: readonly ShardLine[], processes: readonly ProcessLine[]): string {
  const groups = Map.groupBy(lines, ({ region, member }) => `${region} ${member}`);
  const rows = [...groups.values()].map((owned): Cell[] => {
    const [{ region, member }] = owned as [ShardLine, ...ShardLine[]];
    const process = processes.find((each) => each.region === region && each.member === member);
    const sum = (value: (line: ShardLine) => number): number =>
      owned.reduce((total, line) => total + value(line), 0);
    return [
      region,
      member,
      owned.length,
      moment(Math.min(...owned.map(({ sinceUs }) => sinceUs))),
      sum(({ keys }) => keys),
      sum(({ checksPerS }) => checksPerS),
      percent(process?.atOnceShare),
      process?.borrowsPer1000 ?? "–",
    ];
  });
  const figures = ["at once %", "borrows/1,000"];
  return table(["region", "process", "shards", "since", "keys", "checks/s", ...figures], rows);
}

function moment(us: number): string {
  return new Date(us / US_PER_MS).toISOString().replace("T", " ").slice(0, 19);
}
