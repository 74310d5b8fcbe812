/**
 * `parl up`: the whole demo on one machine, what `npm start` runs.
 *
 *      eu   nats-server :4222 ── actor ── gateway :8080
 *      us   nats-server :4223 ── actor ── gateway :8081
 *      ap   nats-server :4224 ── actor ── gateway :8082
 *
 * Every part is a process of its own, as in production; one that dies is started again with a growing
 * delay, and Ctrl-C ends all of them, gateways first.
 */
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/transport-node";
import { loadPolicyFile } from "../actors/policy-file.ts";
import { ParlError } from "../core/errors.ts";
import { actorEnvironment } from "../deploy/actor-environment.ts";
import { locateNatsServer } from "../deploy/setup/locate.mjs";
import { EXIT_OK, type Command, type CommandIo } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";
import { connectRegion } from "../client/connect-region.ts";
import { npmGone } from "./up/npm-parent.ts";
import { ProcessGroup, type Part } from "./up/process-group.ts";
import { PROCESSES_MAX, Scaler } from "./up/scaler.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** How `parl actor` and `parl gateway` say that they work. */
const READY_LINE = /^parl \w+ \S+ (?:ready|listening)/;

const FLAGS = {
  regions: { type: "string", value: "<name,…>", default: "eu,us,ap", about: "Regions to start." },
  nats: {
    type: "string",
    value: "<port>",
    default: "4222",
    env: "PARL_NATS_PORT",
    about: "NATS port of the first region.",
  },
  http: {
    type: "string",
    value: "<port>",
    default: "8080",
    env: "PARL_HTTP_PORT",
    about: "HTTP port of the first region.",
  },
  policies: POLICIES_FLAG,
  actors: {
    type: "string",
    value: "<number>",
    default: "1",
    about: "Actor processes per region; parl scale changes it.",
  },
  json: { type: "boolean", about: "Print the addresses as JSON." },
} as const satisfies FlagTable;

interface Region {
  readonly name: string;
  readonly natsPort: number;
  readonly httpPort: number;
}

export const up: Command = {
  name: "up",
  summary: "start the whole demo: three regions, each with NATS, an actor and a gateway",
  help: helpText({
    usage: "parl up [flags]",
    about:
      "Starts everything on 127.0.0.1, one port after the other from --nats and --http on. Ctrl-C ends it.",
    flags: FLAGS,
    examples: ["parl up", "parl up --regions eu --policies policies.yaml", "parl up --nats 5222 --http 9080"],
  }),

  async run(argv, { signal: interrupted, ...world }) {
    const io = { ...world, signal: AbortSignal.any([interrupted, npmGone(world.env)]) };
    const { flags } = parseFlags(argv, FLAGS, io.env);
    const regions = regionsOf(flags.regions, portOf("nats", flags.nats), portOf("http", flags.http));
    const policies = policyPath(flags.policies);
    await loadPolicyFile(policies);
    for (const region of regions) {
      await requireFree(region.natsPort, "nats");
      await requireFree(region.httpPort, "http");
    }
    const natsServer = natsServerPath(io.env);
    const actors = wholeNumber("actors", flags.actors, 1, PROCESSES_MAX);
    const group = new ProcessGroup((line) => io.stderr.write(`${line}\n`));
    const scalers: NatsConnection[] = [];
    const onInterrupt = (): void => void io.stderr.write("ending … (once more: at once)\n");
    io.signal.addEventListener("abort", onInterrupt, { once: true });
    try {
      await start(group, regions, { natsServer, policies, actors, io, scalers });
      if (!io.signal.aborted)
        io.stdout.write(flags.json ? `${JSON.stringify(addresses(regions))}\n` : welcome(regions));
      await group.untilAborted(io.signal);
    } finally {
      await Promise.all(scalers.map((nats) => nats.close()));
      await group.stop();
    }
    return EXIT_OK;
  },
};

async function start(
  group: ProcessGroup,
  regions: readonly Region[],
  options: {
    natsServer: string;
    policies: string;
    actors: number;
    io: CommandIo;
    /** Receives what whoever ends the demo must close. */
    scalers: NatsConnection[];
  },
): Promise<void> {
  const { io, policies, natsServer, actors, scalers } = options;
  for (const region of regions) io.stderr.write(`starting ${region.name} …\n`);
  await inAll(regions, (region) => group.start(natsPart(region, natsServer), io.signal));
  await inAll(regions, async (region) => {
    const part = (n: number): Part => actorPart(region, n, policies, n <= actors);
    const scaler = new Scaler(group, { region: region.name, part }, io.signal);
    await scaler.scaleTo(actors);
    if (io.signal.aborted) return;
    const nats = await connectRegion({ name: region.name, servers: [natsUrl(region.natsPort)] });
    scalers.push(nats);
    scaler.listen(nats);
  });
  await inAll(regions, (region) => group.start(gatewayPart(region, regions, policies), io.signal));
}

/** Waits for every region, also when one fails: what is under way could not be ended by whoever is told. */
async function inAll(regions: readonly Region[], work: (region: Region) => Promise<void>): Promise<void> {
  for (const outcome of await Promise.allSettled(regions.map(work))) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

function natsPart({ name, natsPort }: Region, path: string): Part {
  const config = fileURLToPath(new URL("../deploy/nats/region.conf", import.meta.url));
  const store = storeFolder({ name, natsPort });
  const args = ["-c", config, "-n", `parl-${name}`, "-a", "127.0.0.1", "-p", String(natsPort), "-sd", store];
  return { title: natsTitle(name), path, args, readyLine: /Server is ready/, env: {} };
}

function natsTitle(region: string): string {
  return `nats-server ${region}`;
}

/** By port too: two demos side by side are two clusters. */
function storeFolder({ name, natsPort }: Pick<Region, "name" | "natsPort">): string {
  return join(ROOT, ".parl", "store", `${name}-${natsPort}`);
}

/** @param isFirst whether the region's server has just been started: then nobody else can hold a lease there */
function actorPart({ name, natsPort }: Region, n: number, policies: string, isFirst: boolean): Part {
  const member = `${name}-${n}`;
  const args = [
    "actor",
    "--region",
    name,
    "--id",
    member,
    "--nats",
    natsUrl(natsPort),
    "--policies",
    policies,
    "--audit-log",
    join(storeFolder({ name, natsPort }), `${member}.audit.log`),
  ];
  const part = parlPart(`actor ${member}`, name, args);
  const env = { ...part.env, ...actorEnvironment(process.env) };
  return { ...part, env, ...(isFirst && { firstArgs: ["--claim-at-once"] }) };
}

function gatewayPart(region: Region, regions: readonly Region[], policies: string): Part {
  const { name, httpPort } = region;
  const inOrder = [region, ...regions.filter((other) => other !== region)];
  const list = inOrder.map((each) => `${each.name}=${natsUrl(each.natsPort)}`).join(",");
  const args = [
    "gateway",
    "--region",
    name,
    "--http",
    String(httpPort),
    "--regions",
    list,
    "--policies",
    policies,
  ];
  return parlPart(`gateway ${name}`, name, args);
}

function parlPart(title: string, region: string, args: readonly string[]): Part {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  // Six processes load the same modules; compiled once, they start in half the time.
  const env = { NODE_COMPILE_CACHE: join(ROOT, ".parl", "compile-cache") };
  const servedBy = natsTitle(region);
  return { title, path: process.execPath, args: [main, ...args], readyLine: READY_LINE, env, servedBy };
}

function regionsOf(text: string, natsPort: number, httpPort: number): Region[] {
  const names = text.split(",");
  const isValid =
    names.every((name) => /^[a-z0-9-]{1,32}$/.test(name)) && new Set(names).size === names.length;
  if (!isValid) throw new UsageError(`--regions takes different names like eu,us,ap, got ${text}`, "regions");
  if (Math.abs(natsPort - httpPort) < names.length) {
    const need = `${names.length} ports each, which must not overlap`;
    throw new UsageError(`--nats ${natsPort} and --http ${httpPort} need ${need}`, "nats");
  }
  return names.map((name, i) => ({ name, natsPort: natsPort + i, httpPort: httpPort + i }));
}

function portOf(flag: string, text: string): number {
  return wholeNumber(flag, text, 1, 65_000);
}

/** @throws ParlError PARL_UNAVAILABLE when there is none, or the one named is no good */
function natsServerPath(env: CommandIo["env"]): string {
  try {
    return locateNatsServer({ root: ROOT, env }).path;
  } catch (cause) {
    throw new ParlError("PARL_UNAVAILABLE", (cause as Error).message, { field: "nats-server", cause });
  }
}

function natsUrl(port: number): string {
  return `nats://127.0.0.1:${port}`;
}

function requireFree(port: number, flag: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => {
      const message = `port ${port} on 127.0.0.1 is taken; end what uses it or choose another with --${flag} <port>`;
      reject(new ParlError("PARL_UNAVAILABLE", message, { field: flag, cause }));
    });
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  });
}

function addresses(regions: readonly Region[]): unknown {
  return {
    regions: regions.map(({ name, natsPort, httpPort }) => ({
      name,
      nats: natsUrl(natsPort),
      http: `http://127.0.0.1:${httpPort}`,
    })),
  };
}

function welcome(regions: readonly Region[]): string {
  const rows = regions.map(
    ({ name, natsPort, httpPort }) => `  ${name}   ${natsUrl(natsPort)}   http://127.0.0.1:${httpPort}\n`,
  );
  const [{ httpPort, natsPort }] = regions as [Region];
  const tries = [
    `curl -i 'http://127.0.0.1:${httpPort}/allow?key=alice'`,
    `nats -s ${natsUrl(natsPort)} req parl.check.acme.alice '{"tokens":1}'`,
    "npm run -s parl -- check alice",
  ];
  return `PARL is up. Ctrl-C ends it.\n${rows.join("")}Try:\n${tries.map((line) => `  ${line}\n`).join("")}`;
}
