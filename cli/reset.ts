/** `parl reset`: forgets what a key has spent, in every region, and says what it had and has now. */
import type { ResetAnswer } from "../actors/admin-desk.ts";
import { resetSubject } from "../actors/admin-request.ts";
import type { KeyState } from "../actors/key-reset.ts";
import { encodeId } from "../core/id.ts";
import { ParlError } from "../core/errors.ts";
import { askRegions, chosenRegions, REGION_FLAG } from "./admin/ask-regions.ts";
import { BY_FLAG, NO_DESK } from "./admin/operator-flags.ts";
import { EXIT_FAILED, EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { table } from "./table.ts";

const FLAGS = {
  tenant: { type: "string", value: "<name>", default: "default", about: "Tenant the key belongs to." },
  user: { type: "string", value: "<name>", about: "Reset this user too, under the policies about users." },
  policy: {
    type: "string",
    value: "<name>",
    about: "Reset it under this policy only, be it one that many keys share.",
  },
  by: BY_FLAG,
  reason: { type: "string", value: "<text>", about: "Why, for the audit log." },
  region: REGION_FLAG,
  regions: REGIONS_FLAG,
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

export const reset: Command = {
  name: "reset",
  summary: "unblock a key: forget what it has spent",
  help: helpText({
    usage: "parl reset <key> [flags]",
    about:
      "Makes a key, as far as policies count it alone, one that was never seen. What it shares with others\n(an organisation's limit, everybody's) is kept unless --policy names it. Exit code 1 unless all of it\nwas done everywhere. The call is audited.",
    flags: FLAGS,
    examples: [
      "parl reset alice --tenant acme --by anna --reason 'ticket 7'",
      "parl reset alice --tenant acme --policy per-org --json",
    ],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["<key>"]);
    const subject = resetSubject(encodeId(flags.tenant, "tenant"), encodeId(positionals[0] as string, "key"));
    const said = { policy: flags.policy, userId: flags.user, by: flags.by, reason: flags.reason };
    const fields = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
    const regions = chosenRegions(parseRegionList(flags.regions), flags.region);
    const question = { subject, fields, nobody: NO_DESK };
    const { answers, failures } = await askRegions<ResetAnswer>(regions, question, io);
    if (flags.json) io.stdout.write(`${JSON.stringify({ regions: answers })}\n`);
    else if (answers.length > 0) io.stdout.write(told(answers));
    for (const { region, failures: missed } of answers) {
      for (const { policies, message } of missed) {
        const missing = `${policies.join(", ")} not reset: ${message}`;
        io.complain(new ParlError("PARL_UNAVAILABLE", missing, { field: "policy" }), region);
      }
    }
    const isDone = failures === 0 && answers.every((answer) => answer.failures.length === 0);
    return isDone ? EXIT_OK : EXIT_FAILED;
  },
};

function told(answers: readonly ResetAnswer[]): string {
  const rows = answers.flatMap(({ region, resets }) =>
    resets.map(({ policy, dimension, before, after }) => [
      region,
      policy,
      dimension,
      stateWords(before),
      stateWords(after),
    ]),
  );
  const kept = [...new Set(answers.flatMap((answer) => answer.kept))];
  const words = kept.length === 0 ? "" : `kept: ${kept.join(", ")} (--policy names one)\n`;
  return table(["region", "policy", "dimension", "before", "after"], rows) + words;
}

function stateWords({ limit, remaining, retryAfterMs }: KeyState): string {
  const left = `${remaining} of ${limit} left`;
  if (retryAfterMs === null) return `${left}, never`;
  return retryAfterMs === 0 ? left : `${left}, wait ${retryAfterMs} ms`;
}
