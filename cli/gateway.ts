/** `parl gateway`: HTTP in front of one region, or of one Redis. */
import { once } from "node:events";
import type { RegionAddress } from "../client/connect-region.ts";
import { shown } from "../core/errors.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import type { BackendName } from "../gateway/backend.ts";
import { startGateway, type GatewayOptions } from "../gateway/main.ts";
import { REDIS_CLOCKS } from "../gateway/redis-decider.ts";
import { BACKEND_FLAGS, chosenBackend } from "./backend-flags.ts";
import { EXIT_OK, type Command, type CommandIo } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type Flags, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";

const PORT_MAX = 65_535;
const SHARDS_MAX = 4_096;
const REGION_NAME = /^[A-Za-z0-9-]{1,64}$/;
/** Half the time after which a shard may have a new owner: an answer of the old one must not be waited for. */
const DEADLINE_MAX_MS = 1_000;

const FLAGS = {
  region: {
    type: "string",
    value: "<name>",
    env: "PARL_REGION",
    about:
      "Home region, one of --regions, the first when absent; with a Redis what answers call it, redis when absent.",
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
    about: "How long a check may wait for a shard or Redis before onFailure decides.",
  },
  ...BACKEND_FLAGS,
  clock: {
    type: "string",
    value: "app|redis",
    about: "Whose clock decides with a Redis: this process's (app, the default), or Redis' own.",
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
  summary: "answer HTTP for a region or a Redis: /allow, /v1/check, /metrics, /readyz",
  help: helpText({
    usage: "parl gateway [flags]",
    about: [
      "Answers GET /allow?key=…, POST /v1/check, /v1/report and /v1/observe, /metrics, /healthz and /readyz.",
      "Checks are decided by the shards of the home region, by the next region's when it is down, and by the",
      "policies' onFailure when none answers. With --redis one Redis decides instead, without regions: there is",
      "no /v1/observe then. Ctrl-C answers what is under way, then ends.",
    ].join("\n"),
    flags: FLAGS,
    examples: [
      "parl gateway",
      "parl gateway --region us --http 8081",
      "parl gateway --policies policies.yaml",
      "parl gateway --redis redis://127.0.0.1:6379 --clock redis",
    ],
  }),

  async run(argv, io) {
    const { flags } = parseFlags(argv, FLAGS, io.env);
    const backend = backendOf(flags, io.env);
    const region = backend.name === "nats" ? backend.regions[0]?.name : backend.region;
    const running = await startGateway({
      backend,
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

function backendOf(flags: Flags<typeof FLAGS>, env: CommandIo["env"]): GatewayOptions["backend"] {
  const { backend: name, redisUrl: url } = chosenBackend(flags, env);
  if (name === "redis")
    return { name, url, region: placeName(flags.region), clock: clockOf(flags.clock, name) };
  clockOf(flags.clock, name);
  return {
    name,
    regions: homeFirst(parseRegionList(flags.regions), flags.region),
    shards: wholeNumber("shards", flags.shards, 1, SHARDS_MAX),
  };
}

function clockOf(wanted: string | undefined, backend: BackendName): (typeof REDIS_CLOCKS)[number] {
  if (wanted !== undefined && backend !== "redis")
    throw new UsageError("--clock is for --backend redis only", "clock");
  const clock = REDIS_CLOCKS.find((known) => known === (wanted ?? "app"));
  if (clock !== undefined) return clock;
  throw new UsageError(`--clock must be one of ${REDIS_CLOCKS.join(", ")}, got ${shown(wanted)}`, "clock");
}

/** What a gateway with a Redis calls itself. */
function placeName(name = "redis"): string {
  if (REGION_NAME.test(name)) return name;
  throw new UsageError(`--region must be 1 to 64 of A-Z, a-z, 0-9 and -, got ${shown(name)}`, "region");
}

function homeFirst(regions: readonly RegionAddress[], home: string | undefined): readonly RegionAddress[] {
  if (home === undefined) return regions;
  const isHome = ({ name }: RegionAddress) => name === home;
  if (!regions.some(isHome)) {
    const names = regions.map(({ name }) => name).join(", ");
    throw new UsageError(`--region must be one of --regions (${names}), got ${shown(home)}`, "region");
  }
  return [...regions.filter(isHome), ...regions.filter((region) => !isHome(region))];
}
