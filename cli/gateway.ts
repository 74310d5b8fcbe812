/** `parl gateway`: HTTP in front of one region. */
import { once } from "node:events";
import type { RegionAddress } from "../client/connect-region.ts";
import { shown } from "../core/errors.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { startGateway } from "../gateway/main.ts";
import { EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";

const PORT_MAX = 65_535;
const SHARDS_MAX = 4_096;
/** Half the time after which a shard may have a new owner: an answer of the old one must not be waited for. */
const DEADLINE_MAX_MS = 1_000;

const FLAGS = {
  region: {
    type: "string",
    value: "<name>",
    env: "PARL_REGION",
    about: "Home region, one of --regions; the first of them when absent.",
  },
  http: {
    type: "string",
    value: "<port>",
    env: "PARL_HTTP",
    default: "8080",
    about: "Port to listen on; 0 lets the system choose.",
  },
  host: {
    type: "string",
    value: "<address>",
    env: "PARL_HOST",
    default: "127.0.0.1",
    about: "Address to listen on.",
  },
  regions: REGIONS_FLAG,
  policies: POLICIES_FLAG,
  "deadline-ms": {
    type: "string",
    value: "<ms>",
    default: "500",
    about: "How long a check may wait for a shard before onFailure decides.",
  },
  shards: {
    type: "string",
    value: "<number>",
    default: String(SHARDS_DEFAULT),
    env: "PARL_SHARDS",
    about: "Shards per region, the same everywhere and in the server's mappings.",
  },
  json: { type: "boolean", about: "Print the ready line as JSON." },
} as const satisfies FlagTable;

export const gateway: Command = {
  name: "gateway",
  summary: "answer HTTP for a region: /allow, /v1/check, /metrics, /readyz",
  help: helpText({
    usage: "parl gateway [flags]",
    about: [
      "Answers GET /allow?key=…, POST /v1/check, /v1/report and /v1/observe, /metrics, /healthz and /readyz.",
      "Checks are decided by the shards of the home region, by the next region's when it is down, and by the",
      "policies' onFailure when none answers. Ctrl-C answers what is under way, then ends.",
    ].join("\n"),
    flags: FLAGS,
    examples: [
      "parl gateway",
      "parl gateway --region us --http 8081",
      "parl gateway --policies policies.yaml",
    ],
  }),

  async run(argv, io) {
    const { flags } = parseFlags(argv, FLAGS, io.env);
    const regions = homeFirst(parseRegionList(flags.regions), flags.region);
    const region = regions[0]?.name;
    const running = await startGateway({
      regions,
      shards: wholeNumber("shards", flags.shards, 1, SHARDS_MAX),
      port: wholeNumber("http", flags.http, 0, PORT_MAX),
      host: flags.host,
      policyFile: policyPath(flags.policies),
      deadlineMs: wholeNumber("deadline-ms", flags["deadline-ms"], 1, DEADLINE_MAX_MS),
      log: (line) => io.stderr.write(`parl gateway ${region}: ${line}\n`),
    });
    const { url } = running;
    const words = `parl gateway ${region} listening on ${url}`;
    io.stdout.write(flags.json ? `${JSON.stringify({ region, url })}\n` : `${words}\n`);
    if (!io.signal.aborted) await once(io.signal, "abort");
    await running.close();
    return EXIT_OK;
  },
};

function homeFirst(regions: readonly RegionAddress[], home: string | undefined): readonly RegionAddress[] {
  if (home === undefined) return regions;
  const isHome = ({ name }: RegionAddress) => name === home;
  if (!regions.some(isHome)) {
    const names = regions.map(({ name }) => name).join(", ");
    throw new UsageError(`--region must be one of --regions (${names}), got ${shown(home)}`, "region");
  }
  return [...regions.filter(isHome), ...regions.filter((region) => !isHome(region))];
}
