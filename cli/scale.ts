/** `parl scale`: how many actor processes a region of the running demo has. */
import { connectRegion } from "../client/connect-region.ts";
import { ParlError, shown } from "../core/errors.ts";
import { errorFrom } from "../core/wire-json.ts";
import { EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { PROCESSES_MAX, SCALE_SUBJECT } from "./up/scaler.ts";

/** A process that leaves hands over what it has first. */
const ANSWER_WITHIN_MS = 60_000;

const FLAGS = {
  regions: REGIONS_FLAG,
  json: { type: "boolean", about: "Print the outcome as JSON." },
} as const satisfies FlagTable;

interface Scaled {
  readonly region: string;
  readonly before: number;
  readonly processes: number;
}

export const scale: Command = {
  name: "scale",
  summary: "set how many actor processes a region of the demo has",
  help: helpText({
    usage: "parl scale <region> <processes> [flags]",
    about:
      "Asks the running parl up. Elsewhere start and end processes as you start and end any: parl actor\njoins by itself and hands its shards over when it is told to end.",
    flags: FLAGS,
    examples: ["parl scale eu 3", "parl scale eu 1 --json"],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["<region>", "<processes>"]);
    const [name, text] = positionals as readonly [string, string];
    const processes = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
    if (!(processes >= 1 && processes <= PROCESSES_MAX)) {
      throw new UsageError(
        `<processes> must be a whole number from 1 to ${PROCESSES_MAX}, got ${shown(text)}`,
        "processes",
      );
    }
    const regions = parseRegionList(flags.regions);
    const region = regions.find((each) => each.name === name);
    if (region === undefined) {
      const known = regions.map((each) => each.name).join(", ");
      throw new UsageError(
        `<region> must be one of ${known} (--regions adds more), got ${shown(name)}`,
        "region",
      );
    }
    const nats = await connectRegion(region);
    let reply: unknown;
    try {
      const question = JSON.stringify({ processes });
      reply = (await nats.request(SCALE_SUBJECT, question, { timeout: ANSWER_WITHIN_MS })).json();
    } catch (cause) {
      const message = `nobody runs a demo in region ${name}; start one with npm start`;
      throw new ParlError("PARL_UNAVAILABLE", message, { cause });
    } finally {
      await nats.close();
    }
    const error = errorFrom(reply);
    if (error !== undefined) throw error;
    const scaled = reply as Scaled;
    const words = `${scaled.region}: ${scaled.processes} actor processes, ${scaled.before} before`;
    io.stdout.write(flags.json ? `${JSON.stringify(scaled)}\n` : `${words}\n`);
    return EXIT_OK;
  },
};
