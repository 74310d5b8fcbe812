/**
 * `npm run verify:lua`: random histories through algorithms/ and through the scripts of lua/ in a real Redis; every
 * decision and every number must be the same. One JSON report on standard output; exit code 1 for a difference.
 */
import type { Redis } from "ioredis";
import { ALGORITHMS } from "../algorithms/algorithm.ts";
import { invalidArgument } from "../core/errors.ts";
import { Prng } from "../core/prng.ts";
import { connectRedis } from "../lua/redis-connection.ts";
import { RedisLimiter } from "../lua/redis-limiter.ts";
import { runCommand } from "./command.ts";
import type { Flags } from "./flags.ts";
import { AgreementTally, type AgreementReport } from "./agreement-tally.ts";
import { decideInRedis, decideLocally, differences, WAYS, type Way } from "./lua-agreement.ts";
import { describeMachine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { startRedis } from "./redis-process.ts";
import { randomParams, randomQuestions } from "./twin-history.ts";

/** Of one policy, over a few keys: long enough for debts to build up and drain. */
const HISTORY_LENGTH = 500;
const KEYS = 4;
/** Keys must outlive a history in which time passes faster or slower than here. */
const TTL_MIN_MS = 600_000;
const DEADLINE_MS = 30_000;

await runCommand({
  synopsis: `npm run verify:lua -- [flags]: do the Redis scripts decide as algorithms/ does?

Random policies and histories, decided by both; every outcome and every number is compared.`,
  flags: {
    decisions: { value: "N", about: "decisions per algorithm", fallback: "1_000_000" },
    seed: { value: "N", about: "of policies and histories", fallback: "1" },
    algo: { value: ALGORITHMS.join("|"), about: "one algorithm only" },
    redis: { value: "URL", about: "an empty Redis to use; one is started when absent" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const decisions = flags.count("decisions", { min: 1 });
  const seed = flags.count("seed", { min: 0, max: 2 ** 32 - 1 });
  const algorithms = flags.has("algo") ? [flags.choice("algo", ALGORITHMS)] : ALGORITHMS;
  await using started = new AsyncDisposableStack();
  const url = flags.text("redis") ?? started.use(await startRedis()).url;
  const redis = await connectRedis(url);
  started.defer(() => redis.disconnect());
  // Keys of another run would be taken for this one's.
  if ((await redis.dbsize()) > 0) throw invalidArgument("--redis", "an empty database", url);
  const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1];
  const tallies: AgreementReport[] = [];
  for (const algorithm of algorithms) {
    const tally = new AgreementTally(algorithm);
    const prng = new Prng(seed + 2 ** 32 * ALGORITHMS.indexOf(algorithm));
    const progress = new Progress(algorithm);
    while (tally.decisions < decisions) {
      await decideOneHistory(redis, prng, tally);
      progress.update(tally.decisions / decisions);
    }
    progress.done();
    // Algorithms share no key, but a long run would fill the memory.
    await redis.flushdb();
    tallies.push(tally.report());
  }
  const agrees = tallies.every((tally) => tally.differences === 0);
  const report = { agrees, seed, redis: version, machine: describeMachine(), algorithms: tallies };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  if (!agrees) process.exitCode = 1;
}

async function decideOneHistory(redis: Redis, prng: Prng, tally: AgreementTally): Promise<void> {
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
