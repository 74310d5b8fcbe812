/**
 * `parl actor`: one actor process, owner of its region's shards.
 *
 * Prints one line when it answers, reports policy reloads and crashes on stderr, and on Ctrl-C answers what
 * it has accepted before it leaves.
 */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { AuditLog } from "../actors/audit-log.ts";
import { encodeInboxLine } from "../actors/inbox-recording.ts";
import { startActor, type ActorProcessOptions } from "../actors/main.ts";
import { loadPolicyFile, watchPolicyFile } from "../actors/policy-file.ts";
import { ParlError, shown } from "../core/errors.ts";
import { natsIdentity } from "../core/nats-identity.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { EXIT_FAILED, EXIT_OK, type Command, type CommandIo } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "./flags.ts";
import { POLICIES_FLAG, policyPath } from "./policies-flag.ts";

const MIB = 2 ** 20;

const FLAGS = {
  region: {
    type: "string",
    value: "<name>",
    default: "eu",
    env: "PARL_REGION",
    about: "Region this actor serves.",
  },
  id: {
    type: "string",
    value: "<name>",
    env: "PARL_MEMBER",
    about: "Name of this process within its region; drawn at random when absent.",
  },
  nats: {
    type: "string",
    value: "<url,…>",
    default: "nats://127.0.0.1:4222",
    env: "PARL_NATS",
    about: "The region's NATS servers.",
  },
  policies: POLICIES_FLAG,
  shards: {
    type: "string",
    value: "<number>",
    default: String(SHARDS_DEFAULT),
    env: "PARL_SHARDS",
    about: "Shards per region, the same everywhere and in the server's mappings.",
  },
  "memory-mib": {
    type: "string",
    value: "<MiB>",
    default: "4096",
    env: "PARL_MEMORY_MIB",
    about: "Memory for keys; when it is spent, the idlest keys are evicted and counted.",
  },
  secret: {
    type: "string",
    value: "<16 hex digits>",
    env: "PARL_SECRET",
    about: "The region's seed, which keeps key collisions unprovokable; the region's own when absent.",
  },
  "lease-ms": {
    type: "string",
    value: "<ms>",
    default: "2000",
    env: "PARL_LEASE_MS",
    about:
      "How long this process may answer without hearing from the lease store; the same in all processes.",
  },
  replicas: {
    type: "string",
    value: "<number>",
    default: "1",
    env: "PARL_REPLICAS",
    about: "Servers of the region that keep a copy of leases and journal, when this process makes them.",
  },
  "claim-at-once": {
    type: "boolean",
    about:
      "Say that no process from before the NATS server's start is left, so that nobody waits for its leases.",
  },
  record: {
    type: "string",
    value: "<file>",
    about: "Write every event and its time to a file, for playing back.",
  },
  "audit-log": {
    type: "string",
    value: "<file>",
    env: "PARL_AUDIT_LOG",
    about: "Take operators' calls and write each down in this file, of this process alone.",
  },
  json: { type: "boolean", about: "Print the ready line as JSON." },
} as const satisfies FlagTable;

export const actor: Command = {
  name: "actor",
  summary: "run one actor process, owner of a region's shards",
  help: helpText({
    usage: "parl actor [flags]",
    about:
      "Decides every check of its region. Needs the region's NATS server, started with deploy/nats/region.conf.",
    flags: FLAGS,
    examples: ["parl actor --region eu --nats nats://127.0.0.1:4222 --policies policies.yaml"],
  }),

  async run(argv, io) {
    const { flags } = parseFlags(argv, FLAGS, io.env);
    if (!/^[a-z0-9-]{1,32}$/.test(flags.region)) {
      throw new UsageError(
        `--region takes a name of [a-z0-9-], like eu, got ${shown(flags.region)}`,
        "region",
      );
    }
    const policyFile = policyPath(flags.policies);
    const policies = await loadPolicyFile(policyFile);
    const recording =
      flags.record === undefined ? undefined : createWriteStream(flags.record, { flags: "wx" });
    if (recording !== undefined) await once(recording, "open");
    const path = flags["audit-log"];
    const audit = path === undefined ? undefined : await AuditLog.open({ path });
    const options: ActorProcessOptions = {
      ...(audit === undefined ? {} : { audit }),
      region: flags.region,
      ...(flags.id === undefined ? {} : { member: memberName(flags.id) }),
      servers: flags.nats.split(","),
      shards: wholeNumber("shards", flags.shards, 1, 4_096),
      memoryBytesMax: wholeNumber("memory-mib", flags["memory-mib"], 1, 1_048_576) * MIB,
      policies,
      onCrash: (error, restartInUs) => {
        const trace = error instanceof Error ? error.stack : String(error);
        io.stderr.write(
          `parl actor ${flags.region}: crashed, starts again in ${restartInUs / 1_000} ms: ${trace}\n`,
        );
      },
      ...(flags.secret === undefined ? {} : { secret: checkedSecret(flags.secret) }),
      leaseTtlMs: wholeNumber("lease-ms", flags["lease-ms"], 100, 600_000),
      replicas: wholeNumber("replicas", flags.replicas, 1, 5),
      claimAtOnce: flags["claim-at-once"],
      say: (words) => io.stderr.write(`parl actor ${flags.region}: ${words}\n`),
      ...(recording === undefined
        ? {}
        : { record: (event, nowUs) => void recording.write(`${encodeInboxLine(event, nowUs)}\n`) }),
    };
    const process = await startActor(options);
    const watch = watchPolicyFile(policyFile, {
      current: policies,
      onChange: (document) => {
        process.adopt(document);
        io.stderr.write(`parl actor ${flags.region}: ${policyFile} reloaded\n`);
      },
      onError: (error) => {
        process.keepPolicies(error);
        io.stderr.write(`parl actor ${flags.region}: keeping the last good policies: ${error.message}\n`);
      },
    });
    const { natsVersion, member } = process;
    // Without the password that an address may carry.
    const nats = natsIdentity(options.servers).servers.join(",");
    const ready = { region: flags.region, member, nats, natsVersion, shards: options.shards };
    const words = `parl actor ${flags.region} ready: ${member} on ${nats} (nats-server ${natsVersion})`;
    io.stdout.write(flags.json ? `${JSON.stringify(ready)}\n` : `${words}\n`);
    const ended = await Promise.race([process.closed, interrupted(io)]);
    watch.close();
    if (ended !== "interrupted") {
      const message = `the connection to ${nats} is closed: ${String(ended ?? "by the server")}`;
      io.complain(new ParlError("PARL_UNAVAILABLE", message, { field: "nats" }), flags.region);
      return EXIT_FAILED;
    }
    await process.drain();
    recording?.end();
    return EXIT_OK;
  },
};

async function interrupted({ signal }: CommandIo): Promise<"interrupted"> {
  if (!signal.aborted) await once(signal, "abort");
  return "interrupted";
}

function memberName(text: string): string {
  if (/^[a-z0-9-]{1,32}$/.test(text)) return text;
  throw new UsageError(`--id takes a name of [a-z0-9-], like eu-1, got ${shown(text)}`, "id");
}

function checkedSecret(text: string): string {
  if (/^[0-9a-f]{16}$/i.test(text)) return text.toLowerCase();
  throw new UsageError("--secret takes 16 hexadecimal digits, like 00c0ffee00c0ffee", "secret");
}
