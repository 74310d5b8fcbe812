/** `parl explain`: what each policy promises, in words: how much, how smooth, and what a crash costs. */
import { loadPolicyFile } from "../actors/policy-file.ts";
import { capacityOf, crashBudget, describeCrash, horizonUs } from "../admission/durability.ts";
import { formatDuration } from "../admission/duration.ts";
import type { Policy } from "../admission/policy.ts";
import { shown } from "../core/errors.ts";
import { US_PER_MS } from "../core/units.ts";
import { EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";

const FLAGS = {
  policies: POLICIES_FLAG,
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

export const explain: Command = {
  name: "explain",
  summary: "say what each policy promises, and what a crash costs",
  help: helpText({
    usage: "parl explain [policy] [flags]",
    about: "Reads the policy file; nothing need be running.",
    flags: FLAGS,
    examples: ["parl explain", "parl explain per-key --policies policies.yaml --json"],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["[policy]?"]);
    const { policies } = await loadPolicyFile(policyPath(flags.policies));
    const [name] = positionals;
    const chosen = name === undefined ? policies : policies.filter((policy) => policy.name === name);
    if (chosen.length === 0 && name !== undefined) {
      const known = policies.map((policy) => policy.name).join(", ") || "none";
      throw new UsageError(`no policy is named ${shown(name)}; there are ${known}`, "policy");
    }
    const explained = chosen.map(explanationOf);
    if (flags.json) io.stdout.write(`${JSON.stringify({ policies: explained })}\n`);
    else io.stdout.write(explained.map(sentences).join("\n"));
    return EXIT_OK;
  },
};

interface Explanation {
  readonly policy: string;
  readonly rule: string;
  /** How long a key needs from exhausted to fresh. */
  readonly horizonMs: number;
  readonly crash: string;
  /** u: what a crash costs each key at most; null where the sentence says something else. */
  readonly crashUnits: number | null;
  /** Most units of a key that may be spent and not stand in the journal; null when nothing is journalled. */
  readonly unjournalledMax: number | null;
  readonly regions: string;
}

function explanationOf(policy: Policy): Explanation {
  const { unjournalledMax, unitsAtTakeover, isJournalled } = crashBudget(policy);
  const u = Math.min(capacityOf(policy), unitsAtTakeover);
  return {
    policy: policy.name,
    rule: ruleOf(policy),
    horizonMs: horizonUs(policy) / US_PER_MS,
    crash: describeCrash(policy),
    crashUnits: isJournalled ? u : null,
    unjournalledMax: isJournalled ? unjournalledMax : null,
    regions: "each region enforces it by itself, exactly, over all of its processes",
  };
}

function ruleOf(policy: Policy): string {
  const { algorithm, limit, windowUs, dimension } = policy;
  const capacity = capacityOf(policy);
  const burst = capacity === limit ? "" : `, ${capacity} at once`;
  return `${limit} per ${formatDuration(windowUs)} and ${dimension}${burst}, by ${algorithm}`;
}

function sentences({ policy, rule, horizonMs, crash, regions }: Explanation): string {
  const fresh = `; an exhausted key is as new after ${formatDuration(Math.round(horizonMs * US_PER_MS))}`;
  return `${policy}\n  ${rule}${horizonMs > 0 ? fresh : ""}\n  ${crash}\n  ${regions}\n`;
}
