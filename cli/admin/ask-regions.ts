/**
 * Asks one question in each of some regions. A region that cannot answer does not keep the others from it:
 * its error is printed on stderr, and the command ends with 1.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { hasNobodyHeard } from "../../actors/roll-call.ts";
import { connectRegion, type RegionAddress } from "../../client/connect-region.ts";
import { ParlError, shown } from "../../core/errors.ts";
import { encodeJson, errorFrom } from "../../core/wire-json.ts";
import type { RunIo } from "../command.ts";
import { UsageError, type StringFlag } from "../flags.ts";

const ANSWER_WITHIN_MS = 3_000;

/** For commands that take their one word otherwise. */
export const REGION_FLAG = {
  type: "string",
  value: "<name>",
  about: "Ask this region only; all of --regions when absent.",
} as const satisfies StringFlag;

export interface Question {
  readonly subject: string;
  /** An empty message when absent. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Who does not answer, and what to do about it, when nobody listens: `no process takes …`. */
  readonly nobody: string;
}

export interface RegionAnswers<T> {
  readonly answers: readonly T[];
  /** Regions that could not answer. */
  readonly failures: number;
}

/** @throws UsageError when none of them is called `name` */
export function chosenRegions(
  regions: readonly RegionAddress[],
  name: string | undefined,
): readonly RegionAddress[] {
  if (name === undefined) return regions;
  const region = regions.find((each) => each.name === name);
  if (region !== undefined) return [region];
  const known = regions.map((each) => each.name).join(", ");
  throw new UsageError(`region must be one of ${known} (--regions adds more), got ${shown(name)}`, "region");
}

export async function askRegions<T>(
  regions: readonly RegionAddress[],
  question: Question,
  io: RunIo,
): Promise<RegionAnswers<T>> {
  const asked = await Promise.allSettled(regions.map((region) => askRegion<T>(region, question)));
  const answers: T[] = [];
  for (const [i, outcome] of asked.entries()) {
    if (outcome.status === "fulfilled") {
      answers.push(outcome.value);
      continue;
    }
    if (!(outcome.reason instanceof ParlError)) throw outcome.reason;
    io.complain(outcome.reason, regions[i]?.name);
  }
  return { answers, failures: asked.length - answers.length };
}

/** @throws ParlError */
async function askRegion<T>(region: RegionAddress, question: Question): Promise<T> {
  const nats = await connectRegion(region);
  try {
    const body = await answerTo(nats, question);
    const error = errorFrom(body);
    if (error !== undefined) throw error;
    return body as T;
  } finally {
    await nats.close();
  }
}

async function answerTo(nats: NatsConnection, { subject, fields, nobody }: Question): Promise<unknown> {
  const payload = fields === undefined ? "" : encodeJson(fields);
  try {
    return (await nats.request(subject, payload, { timeout: ANSWER_WITHIN_MS })).json();
  } catch (cause) {
    const detail = String((cause as Error).cause ?? cause);
    if (/permissions violation/i.test(detail)) {
      const message = `its NATS server does not let this user ask on ${subject}; name one that may, as in --regions eu=nats://operator:<password>@<host>`;
      throw new ParlError("PARL_UNAVAILABLE", message, { field: "regions", cause });
    }
    const message = hasNobodyHeard(cause) ? nobody : `no answer within ${ANSWER_WITHIN_MS} ms; ${nobody}`;
    throw new ParlError("PARL_UNAVAILABLE", message, { field: "regions", cause });
  }
}
