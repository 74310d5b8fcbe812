/**
 * The numbers that each actor process tells of itself, as metrics: `parl_actor_<name>`, one series a process.
 *
 * Per process, because a sum over processes falls whenever one goes or keeps silent, and Prometheus would take
 * that for a counter that started anew; `sum by (region) (rate(…))` is what adds up. What a number means stands
 * where it is counted, what to do about it here and, at length, in docs/operations.md.
 */
import type { MemberObservation } from "../actors/observation.ts";
import type { MemberTallies, ToldTallies } from "../actors/member-tallies.ts";
import { US_PER_MS, US_PER_S } from "../core/units.ts";
import type { Labels } from "../telemetry/metric.ts";

const MS_PER_S = US_PER_S / US_PER_MS;

interface Series {
  readonly labels: Labels;
  /** undefined when a process of another version does not tell it. */
  readonly value: (seen: MemberObservation) => number | undefined;
}

export interface ActorMetric {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly series: readonly Series[];
}

type Type = ActorMetric["type"];

function one(type: Type, name: string, help: string, value: Series["value"]): ActorMetric {
  return { type, name, help, series: [{ labels: {}, value }] };
}

function told(type: Type, name: string, help: string, value: (tallies: ToldTallies) => number | undefined) {
  return one(type, name, help, ({ tallies = {} }) => value(tallies));
}

/** One series for each of some numbers of a group, told apart by a label. */
function split<Group extends keyof MemberTallies>(
  name: string,
  help: string,
  [label, group]: readonly [label: string, group: Group],
  values: { readonly [value: string]: keyof MemberTallies[Group] },
): ActorMetric {
  const series = Object.entries(values).map(([text, number]): Series => {
    return {
      labels: { [label]: text },
      value: ({ tallies = {} }) => tallies[group]?.[number] as number | undefined,
    };
  });
  return { type: "counter", name, help, series };
}

function borrowsIn({ borrowed }: ToldTallies): number | undefined {
  const { asked, reports } = borrowed ?? {};
  return asked === undefined || reports === undefined ? undefined : asked - reports;
}

const PROCESS: readonly ActorMetric[] = [
  one("gauge", "shards", "Shards the process decides.", (seen) => seen.owned.length),
  one("gauge", "keys", "Keys held.", (seen) => seen.keys),
  one(
    "gauge",
    "key_bytes",
    "Memory of the key tables; near --memory-mib keys are evicted.",
    (seen) => seen.bytes,
  ),
  one("gauge", "mailbox_depth", "Checks waiting for their turn.", (seen) => seen.mailboxDepth),
  one("gauge", "uptime_seconds", "Since the process started.", (seen) => seen.uptimeMs / MS_PER_S),
  one(
    "gauge",
    "clock_seconds",
    "Its clock, in seconds since 1970: limits stand still after a shard has moved from one that is ahead.",
    ({ clockUs }) => (clockUs === undefined ? undefined : clockUs / US_PER_S),
  ),
  one(
    "counter",
    "evictions_total",
    "Keys dropped though they still mattered, for want of memory: give the process more, or start another.",
    (seen) => seen.evictedLive,
  ),
  one(
    "counter",
    "overflowed_total",
    "Checks of new keys that shared an overflow bucket: because their tenant is full, else as evictions.",
    (seen) => seen.overflowed,
  ),
  one(
    "gauge",
    "tenants_full",
    "Tenants that hold as many keys as they may: parl limited names them.",
    (seen) => seen.fullTenants,
  ),
  one(
    "counter",
    "overloaded_total",
    "Checks refused because the mailbox was full: start another process.",
    (seen) => seen.overloaded,
  ),
  told(
    "counter",
    "overloaded_lanes_total",
    "Of these: checks of a tenant that filled its own share while others got in: talk to that tenant.",
    ({ refused }) => refused?.overloadedLanes,
  ),
  one(
    "counter",
    "crashes_total",
    "Times the actor started again from its journal: its stderr says why.",
    (seen) => seen.crashes,
  ),
  split(
    "strays_total",
    "Nothing charged. misplaced: checks sent to a shard that is not their home, told where that is; unowned: messages for a shard of another process.",
    ["what", "strays"],
    { misplaced: "misplaced", unowned: "unowned" },
  ),
  split(
    "foreign_clocks_total",
    "Shards that came with keys of a clock more than two seconds ahead of its own, or behind: set the one that is wrong.",
    ["what", "foreignClocks"],
    { ahead: "ahead", behind: "behind" },
  ),
  {
    type: "counter",
    name: "fenced_total",
    help: "Messages dropped undecided, and answers not sent, because the lease was over: look at the NATS server and at pauses of the machine.",
    series: [
      { labels: { what: "undecided" }, value: (seen) => seen.fenced },
      { labels: { what: "answer" }, value: (seen) => seen.tallies?.fenced?.answers },
    ],
  },
  told(
    "counter",
    "lease_records_unreadable_total",
    "Records of the lease store that could not be read: somebody else writes into its bucket.",
    ({ refused }) => refused?.badRecords,
  ),
];

const BORROWING: readonly ActorMetric[] = [
  told(
    "counter",
    "checks_late_total",
    "Checks decided after rights of another process were missing; all others of decisions_total were decided at once.",
    ({ checks }) => checks?.late,
  ),
  told(
    "gauge",
    "checks_waiting",
    "Checks waiting for rights of another process.",
    ({ checks }) => checks?.waiting,
  ),
  split(
    "waits_total",
    "Checks that waited for rights, by how it ended. silent_*: a process did not answer in 250 ms; spared_*: it had not before, nobody waited; crowded: too many waited.",
    ["end", "waits"],
    {
      allowed: "allowed",
      denied: "denied",
      silent_allowed: "silentAllowed",
      silent_denied: "silentDenied",
      spared_allowed: "sparedAllowed",
      spared_denied: "sparedDenied",
      crowded: "crowded",
      settled: "settled",
      moved: "moved",
    },
  ),
  split(
    "denials_total",
    "Denied checks by how sure that was; all but firm ones may be wrong, because units were with another process.",
    ["doubt", "denials"],
    { firm: "firm", lent: "lent", elsewhere: "elsewhere", unheard: "unheard" },
  ),
  {
    type: "counter",
    name: "borrows_total",
    help: "Messages about a key to its home in another process: to ask for units, only to report, or once more.",
    series: [
      { labels: { kind: "units" }, value: ({ tallies = {} }) => borrowsIn(tallies) },
      { labels: { kind: "report" }, value: (seen) => seen.tallies?.borrowed?.reports },
      { labels: { kind: "again" }, value: (seen) => seen.tallies?.borrowed?.resent },
    ],
  },
  told(
    "gauge",
    "units_lent",
    "Units with other processes and not reported spent: stranded if those do not need them.",
    ({ lent }) => lent?.units,
  ),
  told("counter", "units_granted_total", "Units lent to other processes.", ({ lent }) => lent?.granted),
  told("counter", "units_spent_total", "Units that borrowers reported spent.", ({ lent }) => lent?.spent),
  told("counter", "units_returned_total", "Units that came back unspent.", ({ lent }) => lent?.returned),
  told(
    "counter",
    "units_forfeited_total",
    "Units charged though perhaps unspent, because their holder died or was cut off: denied until windows end.",
    ({ lent }) => lent?.forfeited,
  ),
  split(
    "units_moved_total",
    "Units lent whose home moved, with their shard: to this process, and from it or with a policy that is gone.",
    ["direction", "lent"],
    { in: "arrived", out: "gone" },
  ),
  {
    type: "gauge",
    name: "loan_rows",
    help: "Keys lent to a process, and keys borrowed; at 100,000 a side no more is lent or borrowed.",
    series: [
      { labels: { side: "home" }, value: (seen) => seen.tallies?.lent?.rows },
      { labels: { side: "holder" }, value: (seen) => seen.tallies?.borrowed?.rows },
    ],
  },
  told(
    "counter",
    "loan_book_full_total",
    "Requests for units refused because 100,000 rows are lent: fewer keys of coarse policies, or more processes.",
    ({ lent }) => lent?.full,
  ),
  told(
    "counter",
    "recalls_total",
    "Keys whose units were called back for somebody else.",
    ({ lent }) => lent?.recalls,
  ),
  {
    type: "counter",
    name: "loan_messages_ignored_total",
    help: "Messages about loans that came too late to count: overtaken, of a process declared dead, or answered twice.",
    series: [
      { labels: { why: "stale" }, value: (seen) => seen.tallies?.lent?.stale },
      { labels: { why: "dead_holder" }, value: (seen) => seen.tallies?.lent?.fromDead },
      { labels: { why: "late" }, value: (seen) => seen.tallies?.borrowed?.late },
    ],
  },
  told(
    "counter",
    "borrowed_units_expired_total",
    "Borrowed units not spent within their 1.5 s lease; they go back.",
    ({ borrowed }) => borrowed?.expired,
  ),
  told(
    "counter",
    "balances_given_up_total",
    "Keys whose home did not answer for 10 s.",
    ({ borrowed }) => borrowed?.givenUp,
  ),
  told(
    "counter",
    "owed_units_total",
    "Units charged without rights: usage reported, and checks that onFailure let pass a silent home.",
    ({ borrowed }) => borrowed?.owed,
  ),
  told(
    "counter",
    "owed_units_lost_total",
    "Of these: units their home never heard of. Each was admitted beyond what the home knows.",
    ({ borrowed }) => borrowed?.owedLost,
  ),
];

const DURABILITY: readonly ActorMetric[] = [
  one("gauge", "journal_keys_due", "Keys to be written into the journal.", ({ owned }) =>
    owned.reduce((sum, { due }) => sum + due, 0),
  ),
  split(
    "journal_writes_total",
    "Messages to the journal. unanswered: not confirmed in 1 s, full or slow store; refused: another message came before.",
    ["result", "writes"],
    { stored: "stored", unanswered: "unanswered", refused: "refused" },
  ),
  told(
    "counter",
    "journal_superseded_total",
    "Shards given up because their journal is of a later epoch: the process had lost them unnoticed.",
    ({ writes }) => writes?.superseded,
  ),
  told(
    "counter",
    "journal_foreign_total",
    "Shards not opened because their journal is of another version of this program.",
    ({ writes }) => writes?.foreign,
  ),
  split(
    "shard_openings_total",
    "Shards taken on, by what they started from. recovered: charged u for a crash; exhausted: denies until its windows end.",
    ["how", "openings"],
    {
      fresh: "fresh",
      continued: "continued",
      recovered: "recovered",
      exhausted: "exhausted",
      rewritten: "rewritten",
    },
  ),
  told("gauge", "answers_waiting", "Answers held back until the journal confirms.", ({ held }) => held?.now),
  told("counter", "answers_held_total", "Answers that were held back for it.", ({ held }) => held?.total),
  told(
    "counter",
    "answers_given_up_total",
    "Of these: not confirmed in 250 ms and answered with an error, though charged. Make room for the journal.",
    ({ held }) => held?.expired,
  ),
  split(
    "handoffs_total",
    "Shards handed over, taken over, given up for another try, or lost on the way and recovered from the journal.",
    ["end", "handoffs"],
    { given: "given", taken: "taken", aborted: "aborted", lost: "lost" },
  ),
  told(
    "counter",
    "handoff_frozen_seconds_total",
    "Time from the freeze of shards on their way out until they were their next owner's; some milliseconds each.",
    ({ handoffs }) => (handoffs?.frozenUs === undefined ? undefined : handoffs.frozenUs / US_PER_S),
  ),
  told(
    "counter",
    "handoff_messages_dropped_total",
    "Messages for shards on their way in that found no room: their callers ran into their deadline.",
    ({ handoffs }) => handoffs?.dropped,
  ),
  told(
    "counter",
    "handoff_messages_refused_total",
    "Messages of a handoff that were malformed, out of order, of another epoch or version, or came when busy.",
    ({ handoffs }) => handoffs?.refused,
  ),
];

const OPERATORS: readonly ActorMetric[] = [
  split("operator_calls_total", "Operators' calls; parl.admin.>.", ["result", "operators"], {
    done: "done",
    refused: "refused",
  }),
  split(
    "audit_lines_total",
    "Lines of the audit log. lost: not on disk, and what they were about was not done or has no end: make room.",
    ["result", "operators"],
    { written: "linesWritten", lost: "linesLost" },
  ),
];

export const ACTOR_METRICS: readonly ActorMetric[] = [...PROCESS, ...BORROWING, ...DURABILITY, ...OPERATORS];
