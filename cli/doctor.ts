/**
 * `parl doctor`: looks at everything a working installation needs and says what is wrong and what to do.
 *
 * Nothing is charged: the probes of the subject mappings ask for zero tokens, under ids nobody else uses.
 */
import { fileURLToPath } from "node:url";
import type { PolicyDocument } from "../admission/policy.ts";
import { loadPolicyFile } from "../actors/policy-file.ts";
import type { RegionAddress } from "../client/connect-region.ts";
import { locateNatsServer } from "../deploy/setup/locate.mjs";
import { EXIT_FAILED, EXIT_OK, type Command, type CommandIo } from "./command.ts";
import { BACKEND_FLAGS, chosenBackend } from "./backend-flags.ts";
import { examineRedis } from "./doctor/redis-checkup.ts";
import { examineRegion } from "./doctor/region-checkup.ts";
import { finding, type Finding } from "./doctor/finding.ts";
import { helpText, parseFlags, wholeNumber, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { table } from "./table.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NODE_MAJOR_MIN = 24;

const FLAGS = {
  regions: REGIONS_FLAG,
  policies: POLICIES_FLAG,
  ...BACKEND_FLAGS,
  shards: {
    type: "string",
    value: "<number>",
    default: String(SHARDS_DEFAULT),
    env: "PARL_SHARDS",
    about: "Shards per region.",
  },
  json: { type: "boolean", about: "Print the findings as JSON." },
} as const satisfies FlagTable;

export const doctor: Command = {
  name: "doctor",
  summary: "check the installation and the running regions, and say what to do",
  help: helpText({
    usage: "parl doctor [flags]",
    about: "Exit code 1 when anything is wrong. With --redis it looks at that Redis in place of the regions.",
    flags: FLAGS,
    examples: [
      "parl doctor",
      "parl doctor --regions eu=nats://127.0.0.1:4222 --json",
      "parl doctor --redis redis://127.0.0.1:6379",
    ],
  }),

  async run(argv, io) {
    const { flags } = parseFlags(argv, FLAGS, io.env);
    const shards = wholeNumber("shards", flags.shards, 1, 4_096);
    const regions = parseRegionList(flags.regions);
    const { backend, redisUrl } = chosenBackend(flags, io.env);
    let document: PolicyDocument | undefined;
    const source = policyPath(flags.policies);
    const policyFile = await finding("policies", async () => {
      document = await loadPolicyFile(source);
      return `${document.policies.length} in ${source}`;
    });
    const findings =
      backend === "redis"
        ? [nodeVersion(), policyFile, ...(await examineRedis(redisUrl, { document, source }))]
        : [
            nodeVersion(),
            await natsServer(io.env),
            policyFile,
            ...(await examineRegions(regions, shards, document)),
          ];
    const rows = findings.map(({ subject, isGood, detail }) => [isGood ? "ok" : "WRONG", subject, detail]);
    io.stdout.write(flags.json ? `${JSON.stringify({ findings })}\n` : table(["", "what", "finding"], rows));
    return findings.every(({ isGood }) => isGood) ? EXIT_OK : EXIT_FAILED;
  },
};

function natsServer(env: CommandIo["env"]): Promise<Finding> {
  return finding("nats-server", () => {
    const { path, version, source } = locateNatsServer({ root: ROOT, env });
    return `${version} at ${path} (${source})`;
  });
}

async function examineRegions(
  regions: readonly RegionAddress[],
  shards: number,
  document: PolicyDocument | undefined,
): Promise<Finding[]> {
  const policies = document?.policies.map(({ name }) => name);
  const expected = { shards, ...(policies !== undefined && { policies }) };
  const found = await Promise.all(regions.map((region) => examineRegion(region, expected)));
  return found.flat();
}

function nodeVersion(): Finding {
  const isGood = Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN;
  const detail = isGood
    ? process.version
    : `${process.version} is too old; run through npm, which brings Node ${NODE_MAJOR_MIN}`;
  return { subject: "node", isGood, detail };
}
