/** `parl observe`: the state of a key, a policy, a shard or a region, without charging anything. */
import { encodeId } from "../core/id.ts";
import { shown } from "../core/errors.ts";
import { US_PER_MS } from "../core/units.ts";
import { askRegions, chosenRegions, REGION_FLAG, type Question } from "./admin/ask-regions.ts";
import { EXIT_FAILED, EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { percent, table, type Cell } from "./table.ts";

const FLAGS = {
  tenant: { type: "string", value: "<name>", default: "default", about: "Tenant the key belongs to." },
  user: { type: "string", value: "<name>", about: "User that asks with the key." },
  region: REGION_FLAG,
  regions: REGIONS_FLAG,
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

type Observation = Readonly<Record<string, unknown>>;

interface View {
  readonly header: readonly string[];
  readonly rows: (answer: Observation) => readonly (readonly Cell[])[];
  /** Another table below. */
  readonly more?: View;
}

const NOBODY = "no process of the region answers; start one with parl actor";

const VIEWS = {
  key: {
    header: [
      "region",
      "shard",
      "policy",
      "dimension",
      "algorithm",
      "remaining",
      "limit",
      "ms to wait",
      "bucket",
    ],
    rows: ({ region, shard, policies }) =>
      list(policies).map((each) => [
        cell(region),
        cell(shard),
        ...["policy", "dimension", "algorithm", "remaining", "limit", "retryAfterMs"].map((name) =>
          cell(each[name]),
        ),
        each["overflow"] === true ? "shared" : "its own",
      ]),
  },
  policy: {
    header: ["region", "policy", "dimension", "algorithm", "limit", "window ms", "burst", "on failure"],
    rows: (answer) => [
      ["region", "policy", "dimension", "algorithm", "limit", "windowMs", "burst", "onFailure"].map((name) =>
        cell(answer[name]),
      ),
    ],
  },
  shard: {
    header: ["region", "shard", "owner", "since", "epoch", "decided", "keys", "bytes"],
    rows: ({ region, shard, member, sinceUs, epoch, decided, keys, bytes }) => [
      [
        cell(region),
        cell(shard),
        cell(member),
        new Date(Number(sinceUs) / US_PER_MS).toISOString(),
        String(epoch),
        ...[decided, keys, bytes].map(cell),
      ],
    ],
  },
  region: {
    header: ["region", "processes", "shards", "unowned", "keys", "bytes", "waiting", "overloaded", "crashes"],
    rows: ({ region, members, shards, unowned, keys, bytes, mailboxDepth, overloaded, crashes }) => [
      [
        cell(region),
        list(members).length,
        ...[shards, unowned, keys, bytes, mailboxDepth, overloaded, crashes].map(cell),
      ],
    ],
    more: {
      header: [
        "region",
        "checks",
        "at once %",
        "borrows/1,000",
        "units lent",
        "forfeited",
        "denied",
        "maybe wrong %",
      ],
      rows: ({ region, figures = {}, tallies = {} }) => {
        const { checks, atOnceShare, borrowsPer1000, denied, doubtfulShare } = figures as Observation;
        const { lent = {} } = tallies as { lent?: Observation };
        return [
          [
            cell(region),
            cell(checks),
            percent(atOnceShare),
            cell(borrowsPer1000),
            ...[lent["units"], lent["forfeited"], denied].map(cell),
            percent(doubtfulShare),
          ],
        ];
      },
    },
  },
} as const satisfies Record<string, View>;

type What = keyof typeof VIEWS;

export const observe: Command = {
  name: "observe",
  summary: "look at a key, a policy, a shard or a region",
  help: helpText({
    usage: "parl observe key|policy|shard|region [<name>] [flags]",
    about:
      "Shows what a key has left under every policy, a policy's numbers, who owns a shard, or a region as a\nwhole: how much it decided without waiting for rights, since its processes started, and how many of its\ndenials may be wrong. Charges nothing. Exit code 1 when a region does not answer.",
    flags: FLAGS,
    examples: [
      "parl observe key alice --tenant acme --user u1",
      "parl observe policy per-key --region eu",
      "parl observe shard 57 --json",
      "parl observe region",
    ],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["key|policy|shard|region", "[<name>]?"]);
    const what = whatOf(positionals[0] as string);
    const question = questionOf(what, positionals[1], flags);
    const regions = chosenRegions(parseRegionList(flags.regions), flags.region);
    const { answers, failures } = await askRegions<Observation>(regions, question, io);
    if (flags.json) io.stdout.write(`${JSON.stringify({ regions: answers })}\n`);
    else if (answers.length > 0) io.stdout.write(shownAs(VIEWS[what], answers));
    return failures === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

function whatOf(word: string): What {
  if (Object.hasOwn(VIEWS, word)) return word as What;
  throw new UsageError(`the first word must be one of ${Object.keys(VIEWS).join(", ")}, got ${shown(word)}`);
}

function questionOf(
  what: What,
  name: string | undefined,
  { tenant, user }: { readonly tenant: string; readonly user: string | undefined },
): Question {
  if (what === "region") {
    if (name !== undefined) throw new UsageError(`observe region takes no name, but --region ${shown(name)}`);
    return { subject: "parl.observe.region", nobody: NOBODY };
  }
  if (name === undefined) throw new UsageError(`observe ${what} needs the ${what} to look at`);
  if (what === "shard") {
    if (!/^\d{1,4}$/.test(name))
      throw new UsageError(`the shard must be a whole number, got ${shown(name)}`, "shard");
    return { subject: `parl.observe.shard.${Number(name)}`, nobody: NOBODY };
  }
  if (what === "policy")
    return { subject: `parl.observe.policy.${encodeId(name, "policy")}`, nobody: NOBODY };
  const subject = `parl.observe.key.${encodeId(tenant, "tenant")}.${encodeId(name, "key")}`;
  return { subject, fields: user === undefined ? {} : { userId: user }, nobody: NOBODY };
}

function shownAs({ header, rows, more }: View, answers: readonly Observation[]): string {
  const first = table(header, answers.flatMap(rows));
  return more === undefined ? first : `${first}\n${shownAs(more, answers)}`;
}

function list(value: unknown): readonly Observation[] {
  return Array.isArray(value) ? value : [];
}

function cell(value: unknown): Cell {
  if (typeof value === "number") return value;
  return typeof value === "string" ? value : "–";
}
