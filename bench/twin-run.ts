/** One algorithm's random histories through algorithms/ and through its script in a real Redis, until enough is compared. */
import type { Redis } from "ioredis";
import { ALGORITHMS, type AlgorithmName } from "../algorithms/algorithm.ts";
import { Prng } from "../core/prng.ts";
import { RedisLimiter } from "../lua/redis-limiter.ts";
import { AgreementTally, type AgreementReport } from "./agreement-tally.ts";
import { decideInRedis, decideLocally, differences, WAYS, type Way } from "./lua-agreement.ts";
import { randomParams, randomQuestions } from "./twin-history.ts";

/** Of one policy, over a few keys: long enough for debts to build up and drain. */
const HISTORY_LENGTH = 500;
const KEYS = 4;
/** Keys must outlive a history in which time passes faster or slower than here. */
const TTL_MIN_MS = 600_000;
const DEADLINE_MS = 30_000;

interface Run {
  /** At least so many. */
  readonly decisions: number;
  readonly seed: number;
  readonly onProgress: (share: number) => void;
}

/** @param redis holds no key of this algorithm's */
export async function compared(
  redis: Redis,
  algorithm: AlgorithmName,
  { decisions, seed, onProgress }: Run,
): Promise<AgreementReport> {
  const tally = new AgreementTally(algorithm);
  const prng = new Prng(seed + 2 ** 32 * ALGORITHMS.indexOf(algorithm));
  while (tally.decisions < decisions) {
    await compareOneHistory(redis, prng, tally);
    onProgress(Math.min(1, tally.decisions / decisions));
  }
  return tally.report();
}

async function compareOneHistory(redis: Redis, prng: Prng, tally: AgreementTally): Promise<void> {
  const params = randomParams(tally.algorithm, prng);
  const drafts = randomQuestions(params, prng, { length: HISTORY_LENGTH, keys: KEYS });
  const decided = decideLocally(params, drafts);
  const policy = `p${tally.policies}`;
  const limiter = new RedisLimiter({ redis, policy, params, deadlineMs: DEADLINE_MS, ttlMinMs: TTL_MIN_MS });
  await limiter.load();
  const questions = decided.map(({ question }) => question);
  const way = WAYS[tally.policies % WAYS.length] as Way;
  const answers = await decideInRedis(limiter, questions, way);
  tally.add(decided, differences(params, decided, answers));
}
